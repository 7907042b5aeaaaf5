"""One tiny run of the whole recipe, shared by every test that looks at its products."""

import os
from pathlib import Path

import pytest

from fastmath.runs.pipeline import NOTEBOOKS, StageResult, run_stage
from helpers.tiny_recipe import TINY

# Two cores and spinning threads: one thread each is faster in a suite that runs many small processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StageResult]]:
    """A run folder in which every notebook and the kernel have been executed by papermill, and the results."""
    run_dir = tmp_path_factory.mktemp("runs") / "tiny"
    return run_dir, [run_stage(stage, "nano", run_dir, TINY) for stage in NOTEBOOKS]

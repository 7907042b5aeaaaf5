"""The kernel's notebook on the competition's own reference problems, with the quantised model of the tiny run."""

import time
from pathlib import Path

import nbformat
import polars as pl
import pytest

from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe
from fastmath.runs.stages import NOTEBOOKS
from helpers.background import QUESTIONS


def test_reference_problems_get_int64_answers(reference_contest):
    run_dir, finished = reference_contest
    assert finished.returncode == 0, finished.stderr[-2000:]
    submission = pl.read_parquet(run_dir / "kernel" / "submission.parquet")
    asked = pl.read_csv(QUESTIONS, schema_overrides={"id": pl.String})
    assert dict(submission.schema) == {"id": pl.String, "answer": pl.Int64}
    assert sorted(submission["id"]) == sorted(asked["id"])
    assert submission["answer"].is_between(0, 999).all()


def test_the_scored_cell_serves_the_contest_with_its_own_recipe_and_ends_the_run(tmp_path):
    cells = nbformat.read(REPOSITORY_FOLDER / NOTEBOOKS["kernel"], as_version=4).cells
    (scored,) = (cell.source for cell in cells if "is_rerun()" in cell.source)
    served = []
    started = time.monotonic()
    names = {
        "is_rerun": lambda: True,
        "serve_contest": lambda *arguments: served.append(arguments),
        "find_model": lambda folder: folder / "model",
        "load_recipe": load_recipe,
        "Path": Path,
        **{"recipe": "nano", "overrides": {"kernel.samples": 3}, "inputs": str(tmp_path), "started": started},
    }
    with pytest.raises(SystemExit, match="0"):
        exec(scored, names)
    ((settings, *others),) = served
    assert settings.kernel.samples == 3
    assert others == [tmp_path / "model", Path.cwd(), started, tmp_path]

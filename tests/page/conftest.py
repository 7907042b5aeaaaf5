"""Runs that pages are made of, written once."""

from pathlib import Path

import pytest

from fastmath.page.run_folders import Run, read_runs
from helpers.reported_run import write_reported_run


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return write_reported_run(tmp_path_factory.mktemp("runs") / "alpha")


@pytest.fixture(scope="session")
def other_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one of the same problems, with another seed."""
    return write_reported_run(tmp_path_factory.mktemp("others") / "beta", seed=4)


@pytest.fixture(scope="session")
def run(run_dir: Path) -> Run:
    """The finished run, read."""
    return read_runs([run_dir])[0]


@pytest.fixture(scope="session")
def runs(run: Run, other_dir: Path) -> list[Run]:
    """Both runs, read."""
    return [run, *read_runs([other_dir])]

"""`fastmath report`: what it writes, and how it refuses."""

from pathlib import Path

import pytest

from helpers.command import fastmath
from helpers.reported_run import write_reported_run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reported_run(tmp_path_factory.mktemp("runs") / "alpha")


def test_a_page_is_written_where_it_is_wanted(run_dir: Path, tmp_path: Path) -> None:
    finished = fastmath("report", str(run_dir), "--html", str(tmp_path / "new" / "out.html"))
    page = tmp_path / "new" / "out.html"
    assert (finished.returncode, f"{page} holds {run_dir}" in finished.stdout) == (0, True), finished.stderr
    assert page.read_text().startswith("<!doctype html>")


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    finished = fastmath("report", str(tmp_path / "none"), "--html", str(tmp_path / "out.html"))
    assert (finished.returncode, "there is no run" in finished.stderr) == (2, True)

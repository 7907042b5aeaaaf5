"""The runs of a page: their names, and what is read of them."""

from pathlib import Path

import pytest

from fastmath.page.run_folders import name_runs, read_runs
from fastmath.recipe.errors import SettingsError


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/a/nano"], ["nano"]),
        (["/a/nano", "/a/other"], ["nano", "other"]),
        (["/a/nano", "/b/nano"], ["a/nano", "b/nano"]),
        (["/a/x/nano", "/b/x/nano"], ["a/x/nano", "b/x/nano"]),
    ],
)
def test_runs_are_named_as_shortly_as_tells_them_apart(folders: list[str], names: list[str]) -> None:
    assert name_runs([Path(folder) for folder in folders]) == names


def test_a_run_that_is_named_twice_is_refused(run_dir: Path) -> None:
    with pytest.raises(SettingsError, match="named twice; want each run once"):
        read_runs([run_dir, run_dir / ".." / run_dir.name])


def test_a_report_of_an_earlier_version_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "report.json").write_text('{"models": []}')
    (run,) = read_runs([tmp_path])
    assert run.report is None
    assert "report.json has no `comparisons`: an earlier version wrote it" in caplog.text


def test_a_stage_that_has_not_run_has_neither_settings_nor_recipe(tmp_path: Path) -> None:
    (run,) = read_runs([tmp_path])
    assert (run.settings, run.manifests, run.report, run.read_recipe("kernel")) == ({}, {}, None, None)

"""The settings of runs: what differs, and what is not shown."""

import shutil
from pathlib import Path

import yaml

from fastmath.page.run_folders import Run, read_runs
from fastmath.page.settings_table import HIDDEN, list_circumstances, list_settings


def test_only_what_differs_differs(runs: list[Run]) -> None:
    differing = [row for row in list_settings(runs) if row.differs]
    assert [(row.key, row.values) for row in differing] == [("seed", ("3", "4"))]


def test_runs_on_the_same_code_and_machine_have_the_same_circumstances(runs: list[Run]) -> None:
    rows = list_circumstances(runs)
    assert [row.key for row in rows if row.differs] == []
    assert ("hardware.cpus", ("2", "2")) in [(row.key, row.values) for row in rows]


def change_setting(run_dir: Path, stage: str, section: str, **settings: object) -> None:
    path = run_dir / stage / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content[section] |= settings
    path.write_text(yaml.safe_dump(content))


def find_value(run_dir: Path, key: str) -> str:
    return next(row.values[0] for row in list_settings(read_runs([run_dir])) if row.key == key)


def test_a_setting_that_changed_between_stages_shows_both_values(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    change_setting(copy, "grpo", "model", system_prompt="other")
    assert find_value(copy, "model.system_prompt").endswith("; other (grpo)")


def test_a_setting_of_another_stage_than_its_own_is_not_shown(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    change_setting(copy, "sft", "kernel", samples=99)
    assert find_value(copy, "kernel.samples") == "16"


def test_environment_variables_are_named_and_not_shown(run_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    change_setting(copy, "sft", "sft", environment={"SOME_TOKEN": "hf_secret"})
    assert find_value(copy, "sft.environment.SOME_TOKEN") == HIDDEN

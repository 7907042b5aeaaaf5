"""What a new run replaces is moved aside, whole."""

import pytest

from fastmath.runs.superseded import set_aside


@pytest.fixture
def run_dir(tmp_path):
    for stage in ("sft", "grpo", "evaluate"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "product").write_text(stage)
    for name in ("02_sft.ipynb", "03_grpo.ipynb", "report.json"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_stage_goes_with_what_was_made_of_it_and_with_their_notebooks(run_dir):
    moved = set_aside(run_dir, "grpo")
    assert {path.name for path in moved.iterdir()} == {"grpo", "evaluate", "03_grpo.ipynb", "report.json"}


def test_what_does_not_depend_on_it_stays(run_dir):
    set_aside(run_dir, "grpo")
    assert {path.name for path in run_dir.iterdir()} == {"sft", "02_sft.ipynb", "superseded"}


def test_nothing_to_move_leaves_no_folder(run_dir):
    assert set_aside(run_dir, "kernel") is None
    assert not (run_dir / "superseded").exists()


def test_two_moves_within_a_second_have_folders_of_their_own(run_dir):
    first = set_aside(run_dir, "evaluate")
    (run_dir / "evaluate").mkdir()
    (run_dir / "evaluate" / "product").touch()
    assert set_aside(run_dir, "evaluate") != first

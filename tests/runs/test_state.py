"""Where a run stands, as `fastmath status` tells it."""

import json

import pytest

from fastmath.recipe.load import load_recipe
from fastmath.runs.locks import hold_alone, stage_lock, trainer_lock
from fastmath.runs.stage import Stage
from fastmath.runs.state import describe_run, find_runs


def state_of(run_dir, stage: str) -> str:
    return next(state.state for state in describe_run(run_dir) if state.stage == stage)


@pytest.fixture
def stage(tmp_path):
    return Stage("sft", load_recipe("nano"), tmp_path)


def leave_running(stage: Stage) -> None:
    """The manifest that a killed notebook leaves."""
    with stage.running():
        while_running = (stage.folder / "manifest.json").read_text()
    (stage.folder / "manifest.json").write_text(while_running)


def test_every_stage_has_a_state(tmp_path):
    assert {state.state for state in describe_run(tmp_path)} == {"not started"}


def test_a_stage_is_running_while_it_runs(stage, tmp_path):
    with stage.running():
        assert state_of(tmp_path, "sft") == "running"


def test_a_finished_stage_is_done(stage, tmp_path):
    with stage.running():
        pass
    assert state_of(tmp_path, "sft") == "done"


def test_a_notebook_that_was_killed_is_told_from_one_that_runs(stage, tmp_path):
    leave_running(stage)
    assert state_of(tmp_path, "sft") == "killed"


def test_a_trainer_that_outlives_its_notebook_is_stopping(stage, tmp_path):
    leave_running(stage)
    with hold_alone(trainer_lock(stage.folder)):
        assert state_of(tmp_path, "sft") == "stopping"


def test_looking_takes_no_lock_from_who_holds_it(stage, tmp_path):
    leave_running(stage)
    with hold_alone(stage_lock(stage.folder)):
        assert [state_of(tmp_path, "sft") for _ in range(2)] == ["running", "running"]


def test_a_failed_stage_names_its_error(stage, tmp_path):
    with pytest.raises(ZeroDivisionError), stage.running():
        raise ZeroDivisionError
    state = describe_run(tmp_path)[1]
    assert (state.state, state.error) == ("failed", "ZeroDivisionError")


def test_a_stage_whose_inputs_were_made_again_is_out_of_date(stage, tmp_path):
    data = Stage("build_data", stage.recipe, tmp_path)
    with data.running():
        pass
    with stage.running():
        pass
    manifest = json.loads((data.folder / "manifest.json").read_text())
    (data.folder / "manifest.json").write_text(json.dumps(manifest | {"id": "another"}))
    assert state_of(tmp_path, "sft") == "out of date"


def test_the_last_metrics_of_a_training_are_told(stage, tmp_path):
    with stage.running():
        (stage.folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n{"step": 2}\n')
    assert describe_run(tmp_path)[1].metrics == {"step": 2, "loss": 1.0}


def test_the_latest_run_comes_first(tmp_path):
    for name in ("older", "newer"):
        with Stage("sft", load_recipe("nano"), tmp_path / name).running():
            pass
    assert [run.name for run in find_runs(tmp_path)] == ["newer", "older"]


def test_stages_that_a_recipe_does_not_have_are_not_listed(tmp_path):
    with Stage("build_data", load_recipe("nano", {"sft": None, "grpo": None}), tmp_path).running():
        pass
    assert [state.stage for state in describe_run(tmp_path)] == ["build_data", "quantize_awq", "evaluate", "kernel"]

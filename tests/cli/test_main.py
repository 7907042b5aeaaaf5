"""The command line's exit codes and messages, in real processes."""

import json
import subprocess
import sys

import pytest

from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from helpers.command import fastmath

SMALL = (
    *("data.nano.train_problems=40", "data.nano.test_problems=10", "data.sources.0.rules=[]"),
    "evaluate.problems=10",
)
"""Settings with which the data are built in seconds."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nano", "--set", "sft.trainer.max_stepz=1"), "did you mean 'max_steps'"),
        (("run", "nanno"), "did you mean 'nano'"),
        (("run", "nano", "--set", "seed"), "want KEY=VALUE"),
        (("run", "nano", "--to", "sfd"), "there is no stage 'sfd'"),
        (("run", "nano", "--from", "grpo", "--to", "sft"), "comes before"),
        (("run", "nano", "--sed", "1"), "--seed"),
        (("run", "nano", "--set", "kernel.policy=ful"), "did you mean 'full'"),
        (("run", "nano", "--set", "quantize.group_size=48"), "want one of 32, 64, 128"),
        (("run", "nano", "--set", "evaluate.problems=251"), "want 250 at most"),
        (("run", "nano", "--set", "data.test_path=none.jsonl"), "there is no file"),
        (("run", "nano", "--set", "kernel.engine.arguments.max_model_length=9"), "did you mean 'max_model_len'"),
    ],
    ids=[
        *("setting", "recipe", "assignment", "stage", "order", "option"),
        *("policy", "group size", "problems", "test file", "engine"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_was_meant(arguments, message):
    finished = fastmath(*arguments)
    assert (finished.returncode, message in finished.stderr) == (2, True), finished.stderr


def test_nothing_is_begun_where_a_setting_cannot_work(tmp_path):
    fastmath("run", "nano", "--run-dir", str(tmp_path / "run"), "--set", "quantize.group_size=48")
    assert not (tmp_path / "run").exists()


def test_help_imports_nothing_heavy():
    heavy = ("torch", "trl", "vllm", "sympy", "matplotlib", "transformers")
    code = f"""
import sys
from fastmath.cli.main import app
try:
    app(["--help"])
except SystemExit:
    print([name for name in {heavy} if name in sys.modules])
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "[]"


def test_a_stage_without_its_inputs_ends_with_1_and_names_what_is_missing(tmp_path):
    finished = fastmath("run", "nano", "--run-dir", str(tmp_path), "--from", "grpo", "--to", "grpo")
    assert finished.returncode == 1
    assert "--to build_data" in finished.stderr


def test_a_finished_stage_under_other_settings_ends_with_2_and_names_the_setting(tmp_path):
    with Stage("grpo", load_recipe("nano"), tmp_path).running():
        pass
    finished = fastmath("run", "nano", "--run-dir", str(tmp_path), "--set", "grpo.trainer.learning_rate=1e-5")
    assert finished.returncode == 2
    assert "grpo.trainer.learning_rate: 0.0004 → 1e-05" in finished.stderr


def test_a_seed_has_a_run_folder_of_its_own():
    finished = fastmath("run", "nano", "--seed", "987", "--from", "grpo")
    assert (finished.returncode, "runs/nano-seed987" in finished.stderr) == (1, True)


@pytest.mark.slow
def test_a_set_too_small_for_a_step_ends_with_2_before_the_training(tmp_path):
    assignments = [part for setting in (*SMALL, "data.grpo_problems=15") for part in ("--set", setting)]
    finished = fastmath("run", "nano", "--run-dir", str(tmp_path), "--to", "grpo", *assignments)
    assert (finished.returncode, (tmp_path / "sft").exists()) == (2, False)
    assert "the GRPO set has 15 rows, and one step takes 16" in finished.stderr


BUILD = ("run", "nano", "--to", "build_data", *(part for setting in SMALL for part in ("--set", setting)))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A run folder whose data have been built beside the report of an earlier evaluation, and the finished command."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "report.json").write_text("this would not even be JSON")
    return folder, fastmath(*BUILD, "--run-dir", str(folder))


def test_an_earlier_evaluation_is_not_shown_as_the_result_of_another_stage(built):
    folder, finished = built
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == f"look at 01_build_data.ipynb in {folder}"


def test_results_come_as_json_on_request(built):
    finished = fastmath(*BUILD, "--run-dir", str(built[0]), "--json")
    (stage,) = json.loads(finished.stdout)["stages"]
    assert (stage["stage"], stage["outcome"]) == ("build_data", "unchanged"), finished.stderr


def test_status_tells_the_state_of_every_stage(tmp_path):
    with Stage("sft", load_recipe("nano"), tmp_path).running():
        pass
    finished = fastmath("status", str(tmp_path), "--json")
    states = {stage["stage"]: stage["state"] for stage in json.loads(finished.stdout)["stages"]}
    assert (states["build_data"], states["sft"]) == ("not started", "done")


def test_a_run_that_is_not_there_ends_with_2(tmp_path):
    finished = fastmath("status", str(tmp_path / "nowhere"))
    assert (finished.returncode, "there is no run" in finished.stderr) == (2, True)

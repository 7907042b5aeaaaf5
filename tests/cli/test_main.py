"""The command line's exit codes and messages, in real processes."""

import json

import pytest

from helpers.command import fastmath


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nano", "--set", "sft.trainer.max_stepz=1"), "did you mean 'max_steps'"),
        (("run", "nanno"), "did you mean 'nano'"),
        (("run", "nano", "--set", "seed"), "want KEY=VALUE"),
        (("run", "nano", "--to", "sfd"), "there is no stage 'sfd'"),
        (("run", "nano", "--from", "grpo", "--to", "sft"), "comes before"),
        (("run", "nano", "--sed", "1"), "--seed"),
    ],
    ids=["setting", "recipe", "assignment", "stage", "order", "option"],
)
def test_wrong_usage_ends_with_2_and_says_what_was_meant(arguments, message):
    finished = fastmath(*arguments)
    assert (finished.returncode, message in finished.stderr) == (2, True), finished.stderr


def test_a_stage_without_its_inputs_ends_with_1_and_names_what_is_missing(tmp_path):
    finished = fastmath("run", "nano", "--run-dir", str(tmp_path), "--from", "grpo", "--to", "grpo")
    assert finished.returncode == 1
    assert "--to build_data" in finished.stderr


def test_results_come_as_json_on_request(tmp_path):
    settings = ["data.nano.train_problems=40", "data.nano.test_problems=10", "data.sources.0.rules=[]"]
    settings += ["evaluate.problems=10", "kernel.questions=10"]
    assignments = [part for setting in settings for part in ("--set", setting)]
    finished = fastmath("run", "nano", "--run-dir", str(tmp_path), "--to", "build_data", "--json", *assignments)
    assert json.loads(finished.stdout)["stages"][0]["outcome"] == "done", finished.stderr

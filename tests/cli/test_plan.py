"""`fastmath plan`, `fastmath doctor`, and the refusal of `fastmath run`: what they print and how they exit."""

import json
import logging

import pytest
from typer.testing import CliRunner

from fastmath.cli import check
from fastmath.cli.check import check_machine
from fastmath.cli.main import app
from fastmath.planning.machine import Machine
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe

SMALL = Machine(1, 6.0)


def invoke(*arguments):
    return CliRunner().invoke(app, arguments)


def test_a_recipe_that_fits_exits_with_0():
    finished = invoke("plan", "fast_math_r1_14b", "--gpus", "8", "--memory", "141", "--gpu", "h200")
    assert (finished.exit_code, finished.output.splitlines()[-1]) == (0, "it fits")


def test_a_recipe_that_does_not_fit_exits_with_1_and_says_what_to_lower():
    finished = invoke("plan", "fast_math_r1_14b", "--gpus", "8", "--memory", "79")
    assert finished.exit_code == 1
    assert "it would fit with --set grpo.accelerate=zero3" in finished.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--gpus", "8"), "--gpus 8 have no memory"),
        (("--gpu", "h300"), "--gpu is 'h300'"),
        (("--gpus", "8", "--memory", "141", "--set", "sft.accelerate=zero9"), "no accelerate configuration 'zero9'"),
    ],
)
def test_wrong_options_are_refused(arguments, message):
    finished = invoke("plan", "fast_math_r1_14b", *arguments)
    assert isinstance(finished.exception, SettingsError)
    assert message in str(finished.exception)


def test_json_has_every_stage_with_its_parts():
    finished = invoke("plan", "nano", "--gpus", "0", "--memory", "16", "--json")
    plan = json.loads(finished.output)
    assert (plan["recipe"], plan["fits"], plan["parameters"]) == ("nano", True, 492_928)
    assert [stage["stage"] for stage in plan["stages"]] == ["sft", "grpo", "quantize_awq", "evaluate", "kernel"]
    assert all(sum(stage["memory"].values()) == pytest.approx(stage["total"]) for stage in plan["stages"])


def test_a_revision_is_not_needed_for_a_plan():
    assert load_recipe("fast_math_qwen3_14b").model.revision is None
    assert invoke("plan", "fast_math_qwen3_14b", "--gpus", "8", "--gpu", "h200").exit_code == 0


def list_planned(*arguments):
    finished = invoke("plan", *arguments, "--gpus", "0", "--memory", "16", "--json")
    plan = json.loads(finished.output)
    return plan["parameters"], [stage["stage"] for stage in plan["stages"]]


def test_a_model_of_ones_own_is_planned_from_the_stage_that_reads_it(tmp_path):
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = shape | {"model_type": "llama", "vocab_size": 100, "tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    # four 64 x 64 and three 64 x 96, two norms of 64, an embedding of 100 x 64 and the last norm
    parameters = 4 * 64 * 64 + 3 * 64 * 96 + 2 * 64 + 100 * 64 + 64
    settings = ("smollm2_135m", "--model", str(tmp_path), "--from", "grpo", "--to", "evaluate")
    assert list_planned(*settings) == (parameters, ["grpo", "quantize_awq", "evaluate"])


def test_some_of_the_stages_are_planned_alone():
    assert list_planned("nano", "--from", "evaluate")[1] == ["evaluate", "kernel"]


def test_the_doctor_prints_one_line_a_finding():
    finished = invoke("doctor")
    assert finished.exit_code == 0
    assert "recipe nano: fits" in finished.output


def test_a_run_that_does_not_fit_is_refused_with_the_setting_that_would_help(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "find_machine", lambda: SMALL)
    with pytest.raises(SettingsError, match=r"(?s)grpo wants 7\.\d GiB, and there are 6\.0.*would fit with --set grpo"):
        check_machine(load_recipe("smollm2_135m"), tmp_path, tmp_path / "run", ["sft", "grpo"])


def test_a_stage_that_does_not_run_need_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "find_machine", lambda: SMALL)
    check_machine(load_recipe("smollm2_135m"), tmp_path, tmp_path / "run", ["build_data", "sft"])


def test_a_disk_that_is_too_small_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "find_machine", lambda: Machine(8, 141.0))
    keeps_all = load_recipe("fast_math_r1_14b", {"grpo.trainer.save_steps": 1})
    with pytest.raises(
        SettingsError,
        match=r"grpo leave up to 5,\d{3}\.\d GiB in .*run, and there is room for .* keep fewer checkpoints",
    ):
        check_machine(keeps_all, tmp_path, tmp_path / "run", ["grpo"])


def test_a_model_of_unknown_shape_is_run_with_a_warning(tmp_path, caplog):
    recipe = load_recipe("fast_math_r1_14b", {"model.name": "me/mine"})
    with caplog.at_level(logging.WARNING):
        check_machine(recipe, tmp_path, tmp_path / "run", ["sft"])
    assert "not planned: the shape of 'me/mine' is not known" in caplog.text


def test_what_a_stage_has_left_before_is_room_for_it(tmp_path):
    (tmp_path / "sft" / "checkpoints").mkdir(parents=True)
    (tmp_path / "sft" / "checkpoints" / "weights").write_bytes(bytes(1024))
    assert check._measure_held(tmp_path, ["sft", "grpo"]) == 1024 / 2**30

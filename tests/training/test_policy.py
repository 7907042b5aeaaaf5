"""TRL's own vLLM rollouts on the CPU: the trainer's weights, where completions end, and the ratio that is watched."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fastmath.data import build
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from fastmath.training import grpo
from helpers.tiny_recipe import TINY
from helpers.two_processes import read_steps

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent.parent / "helpers" / "vllm_rollouts.py"


def roll_out(folder: Path, **settings: object) -> dict[str, float]:
    """What the script tells; a process of its own, as vLLM keeps its state."""
    result = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), json.dumps(settings)], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return roll_out(tmp_path_factory.mktemp("rollouts"), vllm_importance_sampling_correction=False)


def test_the_log_ratio_is_nothing_where_the_whole_vocabulary_is_sampled(facts):
    assert abs(facts["sampling/log_ratio/mean"]) < 0.002


def test_rollouts_come_from_the_weights_that_the_trainer_has(facts):
    # vLLM computes in bfloat16, and every weight was changed by a tenth of a standard normal value
    assert facts["difference_before"] < 0.05
    assert facts["difference_after"] < 0.5
    # without a last norm every token is as likely as any other
    assert facts["uniform_difference"] < 1e-5


def test_completions_end_where_the_recipe_says(facts):
    # Of uniform tokens up to 64 of 32 completions hold a given one of 300 or so in about 32 x 0.19 cases, of up to 400
    # in most.
    assert facts["with_think_end"] > 0
    assert facts["ended_by_think_end"] > 0
    assert facts["went_on_behind_think_end"] == 0


def test_truncated_sampling_shows_in_the_log_ratio_and_trl_s_default_weight_collapses(tmp_path: Path) -> None:
    metrics = roll_out(tmp_path, top_p=0.9)
    assert metrics["sampling/log_ratio/mean"] < -0.005
    # The weight of a completion is the product of 64 kept masses.
    assert metrics["sampling/importance_sampling_ratio/mean"] < 0.5


def test_two_processes_have_an_engine_each_with_the_weights_of_every_step(tmp_path):
    settings = {
        "sft": None,
        "grpo.accelerate": "cpu2",
        "grpo.trainer.use_vllm": True,
        "grpo.trainer.vllm_max_model_length": 256,
        "grpo.trainer.max_steps": 3,
        "grpo.trainer.learning_rate": 1e-2,
        "grpo.trainer.lr_scheduler_type": "constant",
    }
    small = {name: value for name, value in TINY.items() if not name.startswith("sft")}
    recipe = load_recipe("nano", small | settings)
    for name, work in (("build_data", build.run), ("grpo", grpo.run)):
        stage = Stage(name, recipe, tmp_path)
        with stage.running():
            work(stage)
    steps = read_steps(tmp_path / "grpo")
    ratios = [step["sampling/log_ratio/mean"] for step in steps]
    # at this rate weights of a step before would be far off
    assert ratios == pytest.approx([0.0] * 3, abs=0.002)
    assert [step["sampling/importance_sampling_ratio/mean"] for step in steps] == pytest.approx([1.0] * 3, abs=0.02)

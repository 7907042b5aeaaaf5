"""Adapters: they alone are trained, and the product is an ordinary checkpoint with the change merged in."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from fastmath.data import build
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.stage import Stage
from fastmath.training import grpo, sft
from fastmath.training.trainers import check_trainers
from helpers.tiny_recipe import TINY

LORA = {"rank": 4, "alpha": 8.0}
STEPS = {"sft.trainer.max_steps": 3, "grpo.trainer.max_steps": 2}
# By the default rewards a model of three steps earns nothing, and GRPO changes nothing.
OVERRIDES = TINY | {"sft.lora": LORA, "grpo.lora": LORA, "grpo.rewards": "paper"} | STEPS


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    recipe = load_recipe("nano", OVERRIDES)
    for name, module in (("build_data", build), ("sft", sft), ("grpo", grpo)):
        stage = Stage(name, recipe, folder)
        with stage.running():
            module.run(stage)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_the_product_is_an_ordinary_checkpoint(run_dir, stage):
    check_model_folder(run_dir / stage / "model")
    assert not (run_dir / stage / "model" / "adapter_config.json").exists()
    AutoModelForCausalLM.from_pretrained(run_dir / stage / "model")


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [("build_data/base_model", "sft/model"), ("sft/model", "grpo/model")])
def test_the_change_of_a_layer_has_the_rank_of_its_adapter(run_dir, before, after):
    first, second = (load_file(run_dir / name / "model.safetensors") for name in (before, after))
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert changed == {name for name in first if name.endswith("_proj.weight")}
    for name in changed:
        assert torch.linalg.matrix_rank(second[name] - first[name], rtol=1e-3) <= 4


@pytest.mark.slow
def test_a_checkpoint_holds_the_adapters_alone(run_dir):
    checkpoint = next((run_dir / "sft" / "checkpoints").glob("checkpoint-*"))
    assert (checkpoint / "adapter_model.safetensors").exists()
    assert not (checkpoint / "model.safetensors").exists()


def test_adapters_are_refused_where_the_weights_are_cut():
    recipe = load_recipe("nano", {"sft.lora": LORA, "sft.accelerate": "zero3"})
    with pytest.raises(SettingsError, match=r"`sft\.lora`.*zero3.*want `zero2`"):
        check_trainers(recipe)

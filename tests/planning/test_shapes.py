"""Shapes of models: as many parameters as were published, and as transformers builds."""

import json

import pytest

from fastmath.planning.shapes import SHAPES, ModelShape, find_shape
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from helpers.meta_model import build_on_meta

PUBLISHED = {
    # To agree with the count on each model's page on the Hub.
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": 14_770_033_664,
    "RabotniKuma/Fast-Math-R1-14B": 14_770_033_664,
    "nvidia/OpenMath-Nemotron-14B": 14_770_033_664,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": 1_777_088_000,
    "HuggingFaceTB/SmolLM2-135M-Instruct": 134_515_008,
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_published_number_of_parameters(name):
    assert SHAPES[name].parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", SHAPES)
def test_transformers_builds_as_many(name):
    assert sum(weight.numel() for weight in build_on_meta(SHAPES[name]).parameters()) == SHAPES[name].parameters


@pytest.mark.parametrize("name", ["HuggingFaceTB/SmolLM2-135M-Instruct", "Qwen/Qwen3-14B"])
def test_lora_trains_as_many_parameters_as_peft_says(name):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(build_on_meta(SHAPES[name]), LoraConfig(r=16, target_modules="all-linear"))
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert SHAPES[name].lora_parameters(16) == trained


def test_a_token_s_keys_and_values_take_their_bytes():
    # 48 layers x 2 (keys, values) x 8 heads x 128 x 2 bytes = 196,608
    assert SHAPES["deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"].cache_bytes() == 196_608


def test_the_embedded_model_has_the_shape_of_its_recipe(tmp_path):
    shape = find_shape(load_recipe("nano"), tmp_path)
    assert sum(weight.numel() for weight in build_on_meta(shape).parameters()) == shape.parameters


def test_a_local_model_has_the_shape_of_its_configuration(tmp_path):
    shape = SHAPES["Qwen/Qwen3-14B"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(vars(shape)))
    recipe = load_recipe("fast_math_r1_14b", {"model.name": "mine", "model.revision": None})
    assert find_shape(recipe, tmp_path) == shape


@pytest.mark.parametrize(
    ("config", "message"),
    [({"model_type": "mamba"}, "'mamba' cannot be planned"), ({"model_type": "llama"}, "no 'num_attention_heads'")],
)
def test_a_configuration_that_cannot_be_read_says_what_is_wanted(config, message):
    with pytest.raises(SettingsError, match=message):
        ModelShape.from_config(config)


def test_an_unknown_model_names_the_nearest(tmp_path):
    recipe = load_recipe("fast_math_r1_14b", {"model.name": "Qwen/Qwen3-14b"})
    with pytest.raises(SettingsError, match="Qwen/Qwen3-14B"):
        find_shape(recipe, tmp_path)

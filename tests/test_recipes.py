"""Every shipped recipe, with its values, in the real objects of TRL, vLLM, accelerate and transformers."""

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from trl import GRPOConfig, SFTConfig

from fastmath.planning.shapes import find_shape
from fastmath.recipe.inference import EngineSettings
from fastmath.recipe.launches import read_launch
from fastmath.recipe.load import configs_folder, find_accelerate_file, load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.training.trainers import build_grpo_config, build_sft_config
from helpers.meta_model import build_on_meta

RECIPES = sorted(path.stem for path in configs_folder().glob("*.yaml"))

PARAMETERS = {
    "fast_math_qwen3_14b": 14_768_307_200,
    "fast_openmath_nemotron_14b": 14_770_033_664,
    "fast_math_r1_14b": 14_770_033_664,
    "fast_math_r1_1_5b": 1_777_088_000,
    "smollm2_135m": 134_515_008,
    "nano": 492_928,
}
"""Published numbers of parameters of the base models; for the embedded one, counted by hand below."""


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request) -> Recipe:
    return load_recipe(request.param)


def test_every_recipe_says_how_many_parameters_its_model_has():
    assert set(RECIPES) == set(PARAMETERS)


def test_its_trainings_are_built_by_trl(recipe, tmp_path):
    build = {"sft": (build_sft_config, SFTConfig), "grpo": (build_grpo_config, GRPOConfig)}
    for name, settings in recipe.trainings.items():
        make, kind = build[name]
        config = make(recipe, tmp_path, processes=read_launch(settings).processes)
        assert isinstance(config, kind)
        assert {name: getattr(config, name) for name in settings.trainer} == settings.trainer


def test_its_engines_are_built_by_vllm(recipe):
    from vllm.engine.arg_utils import EngineArgs

    rollouts = {
        name.removeprefix("vllm_"): value
        for name, value in recipe.grpo.trainer.items()
        if name in ("vllm_tensor_parallel_size", "vllm_gpu_memory_utilization")
    }
    engines = [recipe.evaluate.engine, recipe.kernel.engine, EngineSettings(arguments=rollouts)]
    for engine in engines:
        built = EngineArgs(model=recipe.model.name, **engine.arguments)
        assert {name: getattr(built, name) for name in engine.arguments} == engine.arguments


def test_its_launches_are_read_by_accelerate(recipe):
    for settings in recipe.trainings.values():
        launch = load_config_from_file(str(find_accelerate_file(settings.accelerate)))
        assert launch.num_processes == read_launch(settings).processes


def test_its_model_has_the_published_number_of_parameters(recipe):
    shape = find_shape(recipe, Path())
    model = build_on_meta(shape)
    # nano: 512 x 128 in the embedding, which is the output layer, too; two layers of 4 x 128 x 128 (attention),
    # 3 x 128 (its biases), 3 x 128 x 384 (feed-forward) and 2 x 128 (norms); a last norm of 128.
    # 65,536 + 2 x (65,536 + 384 + 147,456 + 256) + 128 = 492,928
    assert sum(weight.numel() for weight in model.parameters()) == PARAMETERS[recipe.name]


def test_its_widths_divide_into_the_groups_of_its_quantisation(recipe):
    shape = find_shape(recipe, Path())
    assert all(inputs % recipe.quantize.group_size == 0 for inputs, _ in shape.linear_shapes.values())


def test_a_revision_is_a_whole_commit_or_left_open(recipe):
    revisions = [recipe.model.revision, *(source.revision for source in recipe.data.sources)]
    assert all(revision is None or len(revision) == 40 for revision in revisions)

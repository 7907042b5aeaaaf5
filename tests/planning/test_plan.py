"""The plan of the shipped recipes against what is known of them, and what a plan says where something does not fit."""

import math
from pathlib import Path

import pytest

from fastmath.planning.machine import GPUS, Machine, find_kind
from fastmath.planning.memory import GIB
from fastmath.planning.plan import make_plan
from fastmath.planning.shapes import SHAPES, UnknownShapeError
from fastmath.planning.training_plan import count_checkpoints
from fastmath.planning.trainings import Training
from fastmath.planning.workload import estimate_completion_tokens, measure_sft
from fastmath.recipe.load import configs_folder, load_recipe, override_recipe, parse_assignments

H200 = Machine(8, 141, kind=GPUS["h200"])
RECIPES = sorted(path.stem for path in configs_folder().glob("*.yaml"))
NO_GPU_OF_ITS_OWN = {"nano"}


def plan(name, machine=H200, settings=None):
    return make_plan(load_recipe(name, settings), machine, Path())


def stage_of(made, name):
    return next(stage for stage in made.stages if stage.stage == name)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_fits_eight_large_gpus(name):
    assert plan(name).fits


def test_the_14b_recipe_does_not_fit_eight_gpus_of_24_gib():
    made = plan("fast_math_r1_14b", Machine(8, 24))
    assert [stage.stage for stage in made.stages if not stage.fits] == ["sft", "grpo"]


@pytest.mark.parametrize(("stage", "low", "high"), [("sft", 10 / 2, 10 * 2), ("grpo", 10 / 2, 16 * 2)])
def test_its_hours_are_those_of_the_paper_within_a_factor_of_two(stage, low, high):
    assert low < stage_of(plan("fast_math_r1_14b"), stage).hours < high


@pytest.mark.parametrize(("name", "gib"), [("fast_math_r1_1_5b", 24), ("smollm2_135m", 14)])
def test_the_small_recipes_fit_one_gpu(name, gib):
    assert plan(name, Machine(1, gib)).fits


def test_all_weights_of_the_1_5b_model_fit_48_gib_and_not_24():
    settings = {"sft.lora": None, "grpo.lora": None}
    fits = {gib: plan("fast_math_r1_1_5b", Machine(1, gib), settings).fits for gib in (24, 48)}
    assert fits == {24: False, 48: True}


def test_the_embedded_recipe_fits_a_small_machine():
    made = plan("nano", Machine(0, 6, main_memory_gib=6))
    assert made.fits
    assert [stage.stage for stage in made.stages] == ["sft", "grpo", "quantize_awq", "evaluate", "kernel"]


def test_a_recipe_of_gpus_does_not_run_without_one():
    made = plan("smollm2_135m", Machine(0, 64, main_memory_gib=64))
    assert stage_of(made, "sft").faults == ("sft wants 1 GPU, and there is none (`sft.accelerate: gpu1`)",)


def test_fewer_gpus_than_a_recipe_launches_are_too_few():
    faults = stage_of(plan("fast_math_r1_14b", Machine(4, 141)), "sft").faults
    assert faults == ("sft wants 8 GPUs, and there are 4 (`sft.accelerate: zero3`)",)


def test_more_gpus_than_a_recipe_uses_are_no_error():
    assert plan("fast_math_r1_1_5b", Machine(8, 141, nodes=2)).fits


def test_two_nodes_of_four_are_eight():
    assert stage_of(plan("fast_math_r1_14b", Machine(4, 141, nodes=2)), "sft").faults == ()


def test_of_several_settings_the_one_is_named_that_suffices():
    made = plan("fast_math_r1_14b", Machine(8, 79))
    assert stage_of(made, "grpo").mends == ("grpo.accelerate=zero3",)


@pytest.mark.parametrize("machine", [Machine(8, 79), Machine(8, 44), Machine(8, 24)])
@pytest.mark.parametrize("name", ["fast_math_r1_14b", "fast_math_qwen3_14b"])
def test_what_is_named_as_a_mend_mends(name, machine):
    recipe = load_recipe(name)
    for stage in make_plan(recipe, machine, Path()).stages:
        if stage.mends:
            mended = load_recipe(name, parse_assignments(stage.mends))
            assert stage_of(make_plan(mended, machine, Path()), stage.stage).fits


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in NO_GPU_OF_ITS_OWN])
def test_less_memory_never_fits_where_more_does_not(name):
    fits = [plan(name, Machine(8, gib)).fits for gib in (8, 14, 22, 44, 79, 141)]
    assert fits == sorted(fits)


def test_a_cache_too_small_for_one_completion_is_a_fault():
    settings = {"grpo.trainer.vllm_gpu_memory_utilization": 0.066}
    (fault,) = stage_of(plan("fast_math_r1_14b", settings=settings), "grpo").faults
    # 4 x (0.066 x 141 - 1.774) GiB are 30.127, of which the weights take 27.512: 2.615 GiB of 196,608 bytes a token
    assert fault.startswith("grpo: vLLM's share holds 14,281 tokens, and one completion with its prompt 16,896")


def test_vllm_that_sleeps_adds_only_what_the_step_does_not_need():
    awake = stage_of(plan("fast_math_r1_14b", settings={"grpo.trainer.vllm_enable_sleep_mode": False}), "grpo")
    asleep = stage_of(plan("fast_math_r1_14b"), "grpo")
    assert awake.memory["vllm"] == pytest.approx(0.3 * 141)
    # its share is larger than gradients and activations, which are gone while it is awake
    passing = asleep.memory["gradients"] + asleep.memory["activations"]
    assert asleep.memory["vllm beyond the step"] == pytest.approx(0.3 * 141 - passing)


def test_a_checkpoint_of_deepspeed_holds_the_float32_weights_too():
    recipe = load_recipe("fast_math_r1_14b")
    shape = SHAPES[recipe.model.name]
    # bfloat16 weights, float32 weights and two moments of 8 bits: 2 + 4 + 2 bytes of each of 14.77 billion
    assert Training.read("sft", recipe).estimate_checkpoint(shape) == 8 * 14_770_033_664


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        ({"save_strategy": "no"}, 0),
        ({"save_strategy": "epoch", "num_train_epochs": 10}, 10),
        ({"save_strategy": "epoch", "num_train_epochs": 10, "save_total_limit": 2}, 3),
        ({"save_steps": 5}, 10),
        ({"save_steps": 0.25}, 4),
        ({}, 1),
    ],
)
def test_checkpoints_on_the_disk_at_once(trainer, count):
    # of 50 steps
    assert count_checkpoints(trainer, 50) == count


def test_steps_of_packed_sequences():
    recipe = override_recipe(load_recipe("fast_math_r1_14b"), {"data.sft_problems": 7900})
    # 7,900 x 7,600 / 24,000 = 2,501.7 sequences, 64 a step: 39.1, so 40 steps in each of 10 epochs
    assert measure_sft(recipe, Training.read("sft", recipe), None).steps == 400


def test_completions_are_as_long_as_the_paper_s():
    # 0.61 x 16,384 = 9,994; the paper's models write 9,684 and 10,396
    assert estimate_completion_tokens(16_384) == pytest.approx(9_994.2, abs=0.1)
    assert estimate_completion_tokens(32_768) == 11_000


def test_the_disk_is_the_sum_of_the_stages():
    made = plan("fast_math_qwen3_14b")
    # ten checkpoints of 8 bytes a weight, the model of 2 and three more to choose from; 4-bit weights beside it, in two
    # formats
    grpo = (10 * 8 + 2 + 3 * 2) * 14_768_307_200 / GIB
    assert made.disk == pytest.approx(grpo + stage_of(made, "quantize_awq").disk)
    assert 18 < stage_of(made, "quantize_awq").disk < 20


@pytest.mark.parametrize(
    ("name", "key"), [("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA L4", "l4"), ("NVIDIA GeForce RTX 4090", "rtx4090")]
)
def test_a_gpu_is_known_by_the_name_that_its_driver_tells(name, key):
    assert find_kind(name) == GPUS[key]


def test_an_unknown_gpu_gives_no_hours():
    assert find_kind("NVIDIA GeForce GTX 1080") is None
    assert stage_of(plan("fast_math_r1_14b", Machine(8, 141)), "sft").hours is None


def test_a_number_of_problems_that_is_not_known_gives_no_hours():
    stage = stage_of(plan("fast_math_r1_14b", settings={"evaluate.problems": None}), "evaluate")
    assert (stage.hours, math.isnan(stage.facts["samples"])) == (None, True)


def test_a_model_of_unknown_shape_is_not_planned():
    with pytest.raises(UnknownShapeError, match="the shape of 'me/mine' is not known"):
        plan("fast_math_r1_14b", settings={"model.name": "me/mine"})

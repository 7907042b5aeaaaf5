"""The graph of stages: which a recipe has, and what each reads."""

import pytest

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.runs.pipeline import open_stage, select_stages
from fastmath.runs.stages import (
    STAGE_INPUTS,
    find_model_stage,
    list_dependents,
    list_inputs,
    list_stages,
    select_settings,
)

NO_SFT = {"sft": None}
NO_TRAINING = {"sft": None, "grpo": None}
NOTHING = NO_TRAINING | {"quantize": None}


@pytest.mark.parametrize(
    ("absent", "stages"),
    [
        ({}, ["build_data", "sft", "grpo", "reward_curves", "quantize_awq", "evaluate", "kernel"]),
        (NO_SFT, ["build_data", "grpo", "reward_curves", "quantize_awq", "evaluate", "kernel"]),
        ({"grpo": None}, ["build_data", "sft", "quantize_awq", "evaluate", "kernel"]),
        (NO_TRAINING, ["build_data", "quantize_awq", "evaluate", "kernel"]),
        (NOTHING, ["build_data", "evaluate", "kernel"]),
    ],
)
def test_a_recipe_has_the_stages_of_its_sections(absent, stages):
    assert list_stages(load_recipe("nano", absent)) == stages


@pytest.mark.parametrize(
    ("absent", "sources"),
    [
        ({}, [None, "sft", "grpo", "quantize_awq"]),
        (NO_SFT, [None, None, "grpo", "quantize_awq"]),
        ({"grpo": None}, [None, "sft", "sft", "quantize_awq"]),
        ({"quantize": None}, [None, "sft", "grpo", "grpo"]),
        (NO_TRAINING, [None, None, None, "quantize_awq"]),
        (NOTHING, [None, None, None, None]),
    ],
)
def test_a_stage_begins_from_the_last_model_before_it(absent, sources):
    recipe = load_recipe("nano", absent)
    assert [find_model_stage(stage, recipe) for stage in ("sft", "grpo", "quantize_awq", "kernel")] == sources


def test_the_kernel_reads_the_last_model_alone_and_the_evaluation_all_of_them():
    recipe = load_recipe("nano", NO_SFT)
    assert list_inputs("kernel", recipe) == ("build_data", "quantize_awq")
    assert list_inputs("evaluate", recipe) == ("build_data", "grpo", "quantize_awq")


@pytest.mark.parametrize("absent", [{}, NO_SFT, {"grpo": None}, {"quantize": None}, NO_TRAINING, NOTHING])
def test_whatever_reads_a_stage_in_some_recipe_is_set_aside_with_it(absent):
    recipe = load_recipe("nano", absent)
    for stage in list_stages(recipe):
        assert set(list_inputs(stage, recipe)) <= set(STAGE_INPUTS[stage])
        assert all(stage in list_dependents(earlier) for earlier in list_inputs(stage, recipe))


def test_a_stage_that_a_recipe_does_not_have_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="nano has no stage 'reward_curves', as `grpo` is null; want one of"):
        select_stages(load_recipe("nano", NO_TRAINING), "reward_curves", None)
    with pytest.raises(SettingsError, match="nano has no stage 'sft', as `sft` is null"):
        open_stage("sft", "nano", str(tmp_path), NO_SFT)


def test_an_unknown_stage_is_refused():
    with pytest.raises(SettingsError, match="no stage 'train'; want one of build_data, sft"):
        select_stages(load_recipe("nano"), "train", None)


@pytest.mark.parametrize(("absent", "works"), [(NOTHING, True), (NO_TRAINING, False), ({}, False)])
def test_no_source_is_wanted_where_nothing_is_trained_or_quantised(absent, works):
    if works:
        load_recipe("nano", absent | {"data.sources": []})
        return
    with pytest.raises(SettingsError, match=r"`data\.sources` is empty, and"):
        load_recipe("nano", absent | {"data.sources": []})


def test_pass_rates_are_of_the_evaluation_s_engine_as_far_as_it_decides_what_is_drawn():
    settings = select_settings("grpo", load_recipe("nano", {"grpo.pass_rates": {}}))
    # of dtype, max_model_len, enforce_eager and max_num_seqs
    assert settings["evaluate"] == {"engine": {"arguments": {"dtype": "float32"}}}


def test_grpo_reads_nothing_of_the_evaluation_where_it_measures_no_pass_rates():
    assert "evaluate" not in select_settings("grpo", load_recipe("nano"))

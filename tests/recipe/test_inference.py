"""Settings of evaluation and kernel that contradict each other."""

import pytest

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe

FP8 = {f"{stage}.engine.arguments.kv_cache_dtype": "fp8" for stage in ("evaluate", "kernel")}


def test_a_cache_that_is_not_measured_is_not_submitted():
    with pytest.raises(SettingsError, match="would not be measured"):
        load_recipe("nano", {"kernel.engine.arguments.kv_cache_dtype": "fp8"})


def test_a_cache_that_is_measured_is():
    assert load_recipe("nano", FP8).kernel.engine.arguments["kv_cache_dtype"] == "fp8"


@pytest.mark.parametrize("recipe", ["nano", "fast_math_r1_14b", "fast_math_qwen3_14b", "fast_openmath_nemotron_14b"])
def test_no_shipped_recipe_shortens_its_cache(recipe):
    loaded = load_recipe(recipe)
    assert "kv_cache_dtype" not in loaded.kernel.engine.arguments | loaded.evaluate.engine.arguments


def test_a_prompt_with_another_contest_s_range_is_refused():
    with pytest.raises(SettingsError, match="another contest"):
        load_recipe("nano", {"kernel.profile": "aimo3", "kernel.system_prompt": "aimo2"})


def test_a_prompt_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="did you mean 'aimo2'"):
        load_recipe("nano", {"kernel.system_prompt": "aimo_2"})


@pytest.mark.parametrize(("contest", "largest"), [("aimo2", "999"), ("aimo3", "99999")])
def test_the_range_of_answers_stands_in_the_contest_s_prompt(contest, largest):
    assert f"from 0 to {largest}." in SYSTEM_PROMPTS[contest]

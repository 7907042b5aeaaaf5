"""Settings of GRPO that cannot work."""

import pytest
from pydantic import ValidationError

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import PassRateSettings
from fastmath.recipe.load import load_recipe, override_recipe


@pytest.mark.parametrize("bounds", [{"above": 0.5, "below": 0.5}, {"above": 0.3, "below": 0.45}])
def test_bounds_between_which_no_share_of_samples_lies_are_refused(bounds):
    # of 4 samples: 0, 0.25, 0.5, 0.75 and 1
    with pytest.raises(ValidationError, match="no share of 4 samples lies between"):
        PassRateSettings(samples=4, **bounds)


def test_two_samples_suffice_for_a_share_between_never_and_always():
    assert PassRateSettings(samples=2).samples == 2


def test_a_validation_without_problems_is_refused():
    with pytest.raises(SettingsError, match=r"`data\.validation_path`.*`grpo\.validation: null`"):
        load_recipe("nano", {"data.nano.validation_problems": 0})


def test_a_set_of_rewards_is_chosen_by_name_for_the_recipes_longest_completion():
    chosen = load_recipe("nano", {"grpo.rewards": "paper", "grpo.trainer.max_completion_length": 200}).grpo.rewards
    assert [(reward.name, reward.weight, reward.parameters) for reward in chosen] == [
        ("boxed_before_think_end", 1.0, {}),
        ("cosine", 1.0, {"max_length": 200}),
        ("group_length", 1.0, {}),
    ]


def test_a_chosen_set_is_written_as_the_list_that_it_stands_for():
    recipe = load_recipe("nano", {"grpo.rewards": "paper"})
    assert override_recipe(recipe, {"grpo.rewards.1.weight": 2}).grpo.rewards[1].weight == 2


def test_an_unknown_set_of_rewards_is_refused_with_those_that_there_are():
    with pytest.raises(SettingsError, match=r"`grpo\.rewards` is 'papers'; want one of .*paper"):
        load_recipe("nano", {"grpo.rewards": "papers"})


def test_a_set_of_rewards_wants_the_longest_completion_in_tokens():
    with pytest.raises(SettingsError, match="want a number of tokens there"):
        load_recipe("nano", {"grpo.rewards": "paper", "grpo.trainer.max_completion_length": None})

"""The policy that a recipe names."""

import pytest

from fastmath.contest.policy import find_policy
from fastmath.policies.public import find_policies
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import configs_folder, load_recipe


@pytest.mark.parametrize("name", sorted(path.stem for path in configs_folder().glob("*.yaml")))
def test_every_shipped_recipe_names_a_policy_that_there_is(name):
    assert find_policy(load_recipe(name).kernel.policy) in find_policies().values()


def test_an_unknown_policy_is_told_the_nearest_one():
    with pytest.raises(SettingsError, match=r"`kernel.policy` is 'ful'; did you mean 'full'"):
        find_policy("ful")

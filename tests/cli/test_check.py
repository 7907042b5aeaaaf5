"""What is refused before the first stage, and as soon as the sets are there."""

import pytest

from fastmath.cli.check import check_recipe
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe


def test_grpo_without_a_source_for_it_is_refused_at_once():
    recipe = load_recipe("nano", {"data.sources.0.grpo": False})
    with pytest.raises(SettingsError, match="no source has `grpo: true`"):
        check_recipe(recipe, REPOSITORY_FOLDER, ["build_data", "sft", "grpo"])

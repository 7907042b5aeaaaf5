"""The recipe among a notebook's inputs on Kaggle."""

from pathlib import Path

from fastmath.recipe.errors import SettingsError

SHIPPED_RECIPE = "recipe.yaml"
"""File in the dataset of a package that holds its recipe, with all settings."""


def find_recipe(recipe: str, inputs: Path) -> str:
    """The recipe of a notebook on Kaggle: the one it names, or else the one that travels in the dataset.

    Raises:
        fastmath.recipe.errors.SettingsError: none is named, and there is not exactly one below `inputs`.
    """
    if recipe:
        return recipe
    found = sorted(inputs.glob(f"**/{SHIPPED_RECIPE}"))
    if len(found) != 1:
        listed = ", ".join(map(str, found)) or "none"
        raise SettingsError(
            f"the parameter `recipe` is empty, and there is not one {SHIPPED_RECIPE} below {inputs}: found {listed}. "
            "Build the package again (`fastmath kernel build`), or name a recipe"
        )
    return str(found[0])

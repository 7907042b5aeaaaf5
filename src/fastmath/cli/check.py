"""What is refused before the first stage begins: each room is asked about its own settings, the quick ones first."""

from pathlib import Path

from fastmath.contest.policy import find_policy
from fastmath.recipe.sections import Recipe

STAGES_OF_TRAINERS = ("build_data", "sft", "grpo")
"""Stages with a training still before them when a run begins there."""


def check_recipe(recipe: Recipe, root: Path, first: str) -> None:
    """Refuse a recipe that would fail in the stage `first` or in any after it.

    Args:
        recipe: validated by `load_recipe`.
        root: folder at which the recipe's relative paths start.
        first: stage that the run begins with.

    Raises:
        fastmath.recipe.errors.SettingsError: a setting cannot work.
    """
    # Late imports, for their weight: `--help` needs none of them, and what is refused first need not wait for the rest.
    find_policy(recipe.kernel.policy)
    if first == "build_data":
        from fastmath.data.check import check_data

        check_data(recipe, root)
    from fastmath.engine.arguments import check_engine_arguments

    check_engine_arguments("evaluate", recipe.evaluate.engine.arguments)
    check_engine_arguments("kernel", recipe.kernel.engine.arguments)
    if first in STAGES_OF_TRAINERS:
        from fastmath.training.trainers import check_trainers

        check_trainers(recipe)

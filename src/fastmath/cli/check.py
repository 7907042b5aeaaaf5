"""Checks of a recipe before its first stage runs: every room checks its own settings, the fastest checks first."""

from pathlib import Path

from fastmath.contest.policy import find_policy
from fastmath.recipe.sections import Recipe

STAGES_OF_TRAINERS = ("build_data", "sft", "grpo")
"""Stages from which a run still comes to a training."""


def check_recipe(recipe: Recipe, root: Path, first: str) -> None:
    """Refuse a recipe that would fail in the stage `first` or in a later one.

    Args:
        recipe: the recipe, already validated by `load_recipe`.
        root: folder at which relative paths in the recipe start.
        first: first stage of the run; checks that only concern earlier stages are skipped.

    Raises:
        fastmath.recipe.errors.SettingsError: a setting cannot work.
    """
    # The imports are heavy and therefore late: `--help` needs none, and an early refusal does not wait for the others.
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

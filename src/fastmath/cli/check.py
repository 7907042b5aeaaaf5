"""Checks of a recipe before its first stage runs: every room checks its own settings, the fastest checks first."""

from collections.abc import Sequence
from pathlib import Path

from fastmath.contest.policy import find_policy
from fastmath.recipe.sections import Recipe


def check_recipe(recipe: Recipe, root: Path, stages: Sequence[str]) -> None:
    """Refuse a recipe that would fail in one of these stages.

    Args:
        recipe: a recipe that `load_recipe` has validated.
        root: folder at which the relative paths of the recipe start.
        stages: stages that are about to run.

    Raises:
        fastmath.recipe.errors.SettingsError: a setting cannot work.
    """
    # Late imports, for their weight: `--help` needs none of them, and what is refused first need not wait for the rest.
    find_policy(recipe.kernel.policy)
    if "build_data" in stages:
        from fastmath.data.check import check_data

        check_data(recipe, root)
    sampling = [name for name in ("evaluate", "kernel") if name in stages]
    if sampling:
        from fastmath.engine.arguments import check_engine_arguments

        for name in sampling:
            check_engine_arguments(name, getattr(recipe, name).engine.arguments)
    if {"sft", "grpo"} & set(stages):
        from fastmath.training.trainers import check_trainers

        check_trainers(recipe)

"""Checks of a recipe before its first stage runs: every room checks its own settings, the fastest checks first."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from fastmath.cli.plan import explain_misfit
from fastmath.contest.policy import find_policy
from fastmath.planning.machine import find_machine
from fastmath.planning.memory import GIB
from fastmath.planning.plan import make_plan
from fastmath.planning.shapes import UnknownShapeError
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.sections import Recipe

logger = logging.getLogger(__name__)


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
    if "evaluate" in stages and (recipe.evaluate.models or recipe.evaluate.sets):
        from fastmath.evaluation.models import check_named

        check_named(recipe, root)
    sampling = [name for name in ("evaluate", "kernel") if name in stages]
    if sampling:
        from fastmath.engine.arguments import check_engine_arguments

        for name in sampling:
            check_engine_arguments(name, getattr(recipe, name).engine.arguments)
    if "grpo" in stages and not any(source.grpo for source in recipe.data.sources):
        raise SettingsError(
            "no source has `grpo: true`, so that GRPO would have no problems; set it for a source, or end with --to sft"
        )
    if {"sft", "grpo"} & set(stages):
        from fastmath.training.trainers import check_trainers

        check_trainers(recipe)


def check_machine(recipe: Recipe, root: Path, run_dir: Path, stages: Sequence[str]) -> None:
    """Refuse stages that this machine cannot run, by their plan: too little memory, too few GPUs, too small a disk.

    A model of unknown shape is not planned, and a warning says so.

    Args:
        recipe: the recipe.
        root: folder at which the relative paths of the recipe start.
        run_dir: the run folder, which need not exist yet.
        stages: stages that are about to run and are not up to date.

    Raises:
        fastmath.recipe.errors.SettingsError: a stage does not fit; the message says why and what would help.
    """
    try:
        plan = make_plan(recipe, find_machine(), root, run_dir, stages)
    except UnknownShapeError as error:
        logger.warning("not planned: %s", error)
        return
    faults = [line.strip() for stage in plan.stages for line in explain_misfit(stage)]
    there = next(folder for folder in (run_dir, *run_dir.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / GIB + _measure_held(run_dir, stages)
    if plan.disk > free:
        largest = max(plan.stages, key=lambda stage: stage.disk)
        faults.append(
            f"{', '.join(stages)} leave up to {_say(plan.disk)} in {run_dir}, and there is room for {_say(free)}; most "
            f"of {largest.stage}, {_say(largest.disk)}: keep fewer checkpoints (`save_total_limit`), or go elsewhere"
        )
    if faults:
        listed = "\n  ".join(faults)
        raise SettingsError(
            f"this machine cannot run it:\n  {listed}\n`fastmath plan {recipe.name}` shows all of it; --unplanned "
            "starts it nevertheless"
        )


def _measure_held(run_dir: Path, stages: Sequence[str]) -> float:
    """GiB that these stages have left on the disk before, which a resumed run does not need again."""
    files = (path for stage in stages for path in (run_dir / stage).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / GIB


def _say(gib: float) -> str:
    return f"{gib:,.1f} GiB" if gib >= 1 else f"{1024 * gib:,.1f} MiB"


def check_sets(recipe: Recipe, run_dir: Path, stages: Sequence[str]) -> None:
    """Refuse training sets that do not suffice for a step, for all trainings to come, as soon as the sets are there.

    Args:
        recipe: the recipe.
        run_dir: the run folder, in which the data stage has finished.
        stages: stages that are about to run.

    Raises:
        fastmath.recipe.errors.SettingsError: a set has fewer rows than a step of its training takes.
    """
    trainings = [stage for stage in ("sft", "grpo") if stage in stages]
    if trainings:
        from fastmath.training.sets import require_training_set  # TRL, which takes seconds

        for stage in trainings:
            require_training_set(stage, recipe, run_dir)

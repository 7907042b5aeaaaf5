"""Refusing a set of problems that does not suffice, before hours are spent on what comes before it."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars

from fastmath.data.enough import count_reasons
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import ValidationSettings
from fastmath.recipe.inference import EvaluateSettings
from fastmath.recipe.launches import read_launch
from fastmath.recipe.sections import Recipe
from fastmath.training.trainers import build_grpo_config, build_sft_config


class TooFewRowsError(SettingsError):
    """A training set has fewer rows than one step takes."""


def require_training_set(stage: str, recipe: Recipe, run_dir: Path) -> None:
    """Check that the data stage's products suffice for at least one step of a training.

    Args:
        stage: `sft` or `grpo`.
        recipe: the recipe.
        run_dir: the run folder, in which the data stage has finished.

    Raises:
        TooFewRowsError: they do not; the message says how many there are, how many are wanted and what was left out.
    """
    folder = run_dir / "build_data"
    found = polars.scan_parquet(folder / f"{stage}.parquet").select(polars.len()).collect().item()
    wanted, made_of, mend = _count_sft(recipe, run_dir) if stage == "sft" else _count_grpo(recipe, run_dir)
    if found >= wanted:
        return
    funnel = json.loads((folder / "funnel.json").read_text())
    raise TooFewRowsError(
        f"the {stage.upper()} set has {found} rows, and one step takes {wanted} ({made_of}); {mend}, or give more "
        "data: "
        f"{'; '.join(count_reasons(name, outcomes) for name, outcomes in funnel.items())}"
    )


def require_kept_prompts(counts: Mapping[str, int], recipe: Recipe, run_dir: Path) -> None:
    """Check that the prompts that are kept by their pass rates suffice for at least one step of GRPO.

    Args:
        counts: numbers of prompts, from `fastmath.training.pass_rates.count_prompts`.
        recipe: the recipe.
        run_dir: the run folder.

    Raises:
        TooFewRowsError: they do not; the message says how many there are, how many are wanted and what was left out.
    """
    wanted, made_of, mend = _count_grpo(recipe, run_dir)
    if counts["kept"] < wanted:
        left_out = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "kept")
        raise TooFewRowsError(
            f"`grpo.pass_rates` keeps {counts['kept']} prompts, and one step takes {wanted} ({made_of}); {left_out}; "
            f"widen its bounds, {mend}, or give more data"
        )


def read_validation_set(run_dir: Path, settings: ValidationSettings) -> polars.DataFrame:
    """The problems of a run on which GRPO is validated, a table of `id, problem, answer`.

    Raises:
        SettingsError: the data stage has made none, or a smaller one than is asked for.
    """
    path = run_dir / "build_data" / "validation.parquet"
    if not path.exists():
        raise SettingsError(f"`grpo.validation` wants a validation set, and there is no {path}; run `build_data` again")
    problems = polars.read_parquet(path)
    if settings.problems is not None and settings.problems > problems.height:
        raise SettingsError(
            f"`grpo.validation.problems` is {settings.problems}, and the validation set has {problems.height} problems"
        )
    return problems.head(settings.problems or problems.height)


def choose_validation_sampling(recipe: Recipe, max_completion_length: int) -> EvaluateSettings:
    """How the validation's problems are sampled: as the evaluation does, with the samples and budget of `validation`.

    Args:
        recipe: a recipe with `grpo.validation`.
        max_completion_length: longest completion of the training, in tokens.
    """
    settings = recipe.grpo.validation
    budget = settings.token_budget or min(recipe.evaluate.token_budget, max_completion_length)
    return recipe.evaluate.model_copy(update={"samples": settings.samples, "token_budget": budget, "budgets": ()})


def _count_sft(recipe: Recipe, run_dir: Path) -> tuple[int, str, str]:
    """Rows of an optimiser step, what the number is made of, and what to change."""
    processes = read_launch(recipe.sft).processes
    config = build_sft_config(recipe, run_dir / "sft", processes=processes)
    if config.packing:  # rows are joined to sequences, so that their number says nothing about steps
        return 1, "with `sft.trainer.packing`", "set `packing: false`"
    batch, accumulation = config.per_device_train_batch_size, config.gradient_accumulation_steps
    return (
        batch * processes * accumulation,
        f"`per_device_train_batch_size` x processes x `gradient_accumulation_steps` = {batch} x {processes} x "
        f"{accumulation}",
        "lower `sft.trainer.per_device_train_batch_size` or `gradient_accumulation_steps`",
    )


def _count_grpo(recipe: Recipe, run_dir: Path) -> tuple[int, str, str]:
    """Prompts of a generation batch: TRL leaves out an incomplete one (trl/trainer/utils.py, `RepeatSampler`).

    Oversampling takes as many that are not in the batch.
    """
    config = build_grpo_config(recipe, run_dir / "grpo", processes=read_launch(recipe.grpo).processes)
    batch, generations = config.generation_batch_size, config.num_generations
    further = recipe.grpo.oversampling is not None
    return (
        batch // generations * (2 if further else 1),
        f"`generation_batch_size` / `num_generations` = {batch} / {generations}"
        + (", and as many for `grpo.oversampling`" if further else ""),
        "lower `grpo.trainer.per_device_train_batch_size` or `steps_per_generation`",
    )

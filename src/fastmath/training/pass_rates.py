"""Leaving out prompts that the start model always solves, or never: their groups have no spread to learn from.

Before the training the GRPO set is sampled by the evaluation's sampler, on its engine, as the rollouts of the training
are drawn: with the trainer's temperature, `top_p`, `min_p` and `max_completion_length`, ending and read as
`grpo.rollouts` says. Other settings of rollouts, such as `top_k`, the sampler does not know. What is drawn is kept, so
that a stage that is repeated draws nothing again.
"""

import hashlib
import logging
from pathlib import Path

import polars as pl

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.grpo import PassRateSettings
from fastmath.recipe.inference import EvaluateSettings
from fastmath.recipe.launches import read_launch
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json, write_parquet
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_start_model
from fastmath.sampling.jobs import SamplingJob, make_job
from fastmath.sampling.processes import run_jobs
from fastmath.training.trainers import build_grpo_config

PASS_RATES = "pass_rates.parquet"
"""File in the stage's folder with the pass rate of every prompt, of `PASS_RATE_SCHEMA`."""
COUNTS = "pass_rates.json"
"""File in the stage's folder with the numbers of prompts that are left, and left out."""
PASS_RATE_SCHEMA = pl.Schema({"problem": pl.String, "pass_rate": pl.Float64, "samples": pl.Int64})

logger = logging.getLogger(__name__)


def measure_pass_rates(stage: Stage) -> dict[str, int]:
    """Measure the pass rate of every prompt of the GRPO set, as far as it is not there, and write it down.

    The products in the stage's folder are `pass_rates.parquet`, `pass_rates.json` and, with the samples, `pass_rates/`.

    Args:
        stage: the stage `grpo` of a recipe with `grpo.pass_rates`.

    Returns:
        The counts of `count_prompts`.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the start model's folder lacks a part of it.
        fastmath.runs.process.ChildFailedError: a sampling process failed; what was drawn is kept.
    """
    job = _make_job(stage)
    run_jobs([job], stage.folder)
    problems, samples = pl.read_parquet(job.problems), pl.read_parquet(job.destination)
    rates = compute_pass_rates(problems, samples)
    write_parquet(rates, stage.folder / PASS_RATES)
    counts = count_prompts(rates, stage.recipe.grpo.pass_rates)
    write_json(stage.folder / COUNTS, counts)
    logger.info("prompts of %d: %s", len(rates), ", ".join(f"{count} {name}" for name, count in counts.items()))
    return counts


def compute_pass_rates(problems: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """The share of right samples of every problem, of `PASS_RATE_SCHEMA`.

    Args:
        problems: table of `id, problem`.
        samples: their judged samples, `problem_id, correct`; one that cannot be judged counts as wrong.

    Example: of right, wrong, right and right it is 0.75.
    """
    shares = samples.group_by("problem_id").agg(pass_rate=pl.col("correct").mean(), samples=pl.len().cast(pl.Int64))
    rates = problems.join(shares, left_on="id", right_on="problem_id", maintain_order="left")
    return rates.select(PASS_RATE_SCHEMA.names()).match_to_schema(PASS_RATE_SCHEMA)


def is_kept(settings: PassRateSettings) -> pl.Expr:
    """Whether the column `pass_rate` lies within the bounds."""
    return (pl.col("pass_rate") > settings.above) & (pl.col("pass_rate") < settings.below)


def count_prompts(rates: pl.DataFrame, settings: PassRateSettings) -> dict[str, int]:
    """Numbers of prompts by what becomes of them, which add up to all.

    Args:
        rates: table of `PASS_RATE_SCHEMA`.
        settings: the bounds.

    Example: of the pass rates 0, 0.25, 0.5, 1 and 1 within 0.25 and 1 one is kept, one is never solved, two always, and
    one is otherwise out of bounds.
    """
    kept, rate = is_kept(settings), pl.col("pass_rate")
    return rates.select(
        kept.sum().alias("kept"),
        (~kept & (rate == 0)).sum().alias("never solved"),
        (~kept & (rate == 1)).sum().alias("always solved"),
        (~kept & (rate > 0) & (rate < 1)).sum().alias("otherwise out of bounds"),
    ).row(0, named=True)


def read_kept_problems(run_dir: Path, settings: PassRateSettings | None) -> pl.DataFrame:
    """The rows of the GRPO set that are trained on, `problem, answer`, in the order of the set.

    Args:
        run_dir: the run folder.
        settings: the bounds of pass rates, which have been measured; None reads all rows.
    """
    rows = pl.read_parquet(run_dir / "build_data" / "grpo.parquet", columns=["problem", "answer"])
    if settings is None:
        return rows
    kept = pl.read_parquet(run_dir / "grpo" / PASS_RATES).filter(is_kept(settings))
    return rows.join(kept, on="problem", how="semi", maintain_order="left")


def _make_job(stage: Stage) -> SamplingJob:
    folder = stage.folder / "pass_rates"
    folder.mkdir(parents=True, exist_ok=True)
    rows = pl.read_parquet(stage.product("build_data", "grpo.parquet"), columns=["problem", "answer"])
    rows = rows.unique("problem", keep="first", maintain_order=True)
    names = [hashlib.sha256(problem.encode()).hexdigest()[:16] for problem in rows["problem"]]
    write_parquet(
        rows.select(pl.Series("id", names, dtype=pl.String), "problem", "answer"), folder / "problems.parquet"
    )
    recipe = stage.recipe
    return make_job(
        "start",
        find_start_model(stage).fetch(),
        folder / "problems.parquet",
        choose_sampling(recipe, stage.folder),
        recipe.grpo.rollouts,
        SYSTEM_PROMPTS[recipe.model.system_prompt],
        recipe.seed,
        folder / "samples.parquet",
    )


def choose_sampling(recipe: Recipe, folder: Path) -> EvaluateSettings:
    """The settings with which the samples are drawn: the trainer's rollouts on the evaluation's engine.

    Args:
        recipe: a recipe with `grpo.pass_rates`.
        folder: folder of the training.
    """
    config = build_grpo_config(recipe, folder, processes=read_launch(recipe.grpo).processes)
    rollouts = {
        "samples": recipe.grpo.pass_rates.samples,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "min_p": config.min_p or 0.0,
        "token_budget": config.max_completion_length,
        "budgets": (),
    }
    return recipe.evaluate.model_copy(update=rollouts)

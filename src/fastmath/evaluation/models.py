"""The models of a run: their folders, and the files of their samples."""

import logging
from collections.abc import Mapping
from pathlib import Path

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.inference import ReadingSettings
from fastmath.recipe.sections import Recipe
from fastmath.runs.stage import Stage
from fastmath.runs.stages import find_model_stage, list_stages
from fastmath.runs.start_model import find_base_model, find_start_model
from fastmath.sampling.jobs import SamplingJob, make_job, run_jobs

logger = logging.getLogger(__name__)

MODELS: Mapping[str, tuple[str, str]] = {
    "base": ("", ""),
    "sft-epoch-1": ("sft", "first_epoch/model"),
    "sft": ("sft", "model"),
    "grpo": ("grpo", "model"),
    "awq": ("quantize_awq", "model"),
}
"""Name of each model of a run → the stage that makes it and its folder within that stage, in the report's order.

The base model, which no stage makes, is sampled where the recipe does not fine-tune it, and so begins from it.
"""


def sample_models(stage: Stage) -> dict[str, Path]:
    """Sample every model of the run, unless it has been sampled already.

    A model is not sampled again if its samples come from the same weights, problems and settings; so after an
    interruption the finished models are kept.

    Args:
        stage: the stage `evaluate` of a run.

    Returns:
        Name of each model → parquet file of its samples, in the report's order.

    Raises:
        fastmath.runs.stage.MissingStageError: the models of the run or the held-out problems are missing.
        fastmath.runs.model_folder.ModelFolderError: a model folder lacks its weights, configuration or tokenizer.
        fastmath.runs.process.ChildFailedError: the sampling process failed.
    """
    models = find_models(stage)
    if not models:
        find_start_model(stage)  # which is missing, too, and says so
    jobs = [_make_job(stage, name, folder) for name, folder in models.items()]
    pending = [job for job in jobs if not job.is_done]
    for job in jobs:
        logger.info("%s: %s", job.model, "to be sampled" if job in pending else "samples are there already")
    if pending:
        run_jobs(pending, stage.folder)
    return {job.model: job.destination for job in jobs}


def find_models(stage: Stage) -> dict[str, Path]:
    """Name → folder of every model that the stages of a recipe have made so far, in the report's order."""
    recipe, run_dir = stage.recipe, stage.run_dir
    base = {} if recipe.sft is not None else {"base": find_base_model(recipe, run_dir, stage.root).fetch()}
    there = list_stages(recipe)
    made = {name: run_dir / maker / folder for name, (maker, folder) in MODELS.items() if maker in there}
    return base | {name: folder for name, folder in made.items() if folder.exists()}


def find_reading(model: str, recipe: Recipe) -> ReadingSettings:
    """Where the samples of a model end and where their answers are read; a quantised model is read as its source is."""
    maker = MODELS[model][0]
    if maker == "quantize_awq":
        maker = find_model_stage(maker, recipe) or ""
    return recipe.trainings[maker].answers if maker else recipe.model.answers


def samples_path(run_dir: Path, model: str) -> Path:
    """The parquet file for the samples of one model of a run."""
    return run_dir / "evaluate" / f"samples-{model}.parquet"


def _make_job(stage: Stage, model: str, folder: Path) -> SamplingJob:
    return make_job(
        model,
        folder,
        stage.product("build_data", "test.parquet"),
        stage.recipe.evaluate,
        find_reading(model, stage.recipe),
        SYSTEM_PROMPTS[stage.recipe.evaluate.system_prompt or stage.recipe.model.system_prompt],
        stage.recipe.seed,
        samples_path(stage.run_dir, model),
    )

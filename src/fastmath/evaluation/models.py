"""The models of a run: their folders, and the files of their samples."""

import logging
from collections.abc import Mapping
from pathlib import Path

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.runs.stage import Stage
from fastmath.sampling.jobs import SamplingJob, make_job, run_jobs

logger = logging.getLogger(__name__)

MODELS: Mapping[str, tuple[str, str]] = {
    "sft-epoch-1": ("sft", "first_epoch/model"),
    "sft": ("sft", "model"),
    "grpo": ("grpo", "model"),
    "awq": ("quantize_awq", "model"),
}
"""Name of each model of a run → the stage that makes it and its folder within that stage, in the report's order."""


def sample_models(stage: Stage) -> dict[str, Path]:
    """Sample every model of the run, unless it has been sampled already.

    A model is not sampled again if its samples come from the same weights, problems and settings; so after an
    interruption the finished models are kept.

    Args:
        stage: the stage `evaluate` of a run.

    Returns:
        Name of each model → parquet file of its samples, in the report's order.

    Raises:
        fastmath.runs.stage.MissingStageError: the SFT model or the held-out problems are missing.
        fastmath.runs.model_folder.ModelFolderError: a model folder lacks its weights, configuration or tokenizer.
        fastmath.runs.process.ChildFailedError: the sampling process failed.
    """
    stage.product("sft", "model")
    jobs = [_make_job(stage, name, folder) for name, folder in find_models(stage.run_dir).items()]
    pending = [job for job in jobs if not job.is_done]
    for job in jobs:
        logger.info("%s: %s", job.model, "to be sampled" if job in pending else "samples are there already")
    if pending:
        run_jobs(pending, stage.folder)
    return {job.model: job.destination for job in jobs}


def find_models(run_dir: Path) -> dict[str, Path]:
    """Name → folder of every model that a run has made so far, in the report's order."""
    folders = {name: run_dir / stage / folder for name, (stage, folder) in MODELS.items()}
    return {name: folder for name, folder in folders.items() if folder.exists()}


def samples_path(run_dir: Path, model: str) -> Path:
    """The parquet file for the samples of one model of a run."""
    return run_dir / "evaluate" / f"samples-{model}.parquet"


def _make_job(stage: Stage, model: str, folder: Path) -> SamplingJob:
    return make_job(
        model,
        folder,
        stage.product("build_data", "test.parquet"),
        stage.recipe.evaluate,
        stage.recipe.sft.answers if MODELS[model][0] == "sft" else stage.recipe.grpo.answers,
        SYSTEM_PROMPTS[stage.recipe.model.system_prompt],
        stage.recipe.seed,
        samples_path(stage.run_dir, model),
    )

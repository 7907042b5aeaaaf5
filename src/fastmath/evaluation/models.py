"""The models of a run: where they lie, and where their samples do."""

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
"""Every model of a run in the order of the report: its name, the stage that makes it, its folder there."""


def sample_models(stage: Stage) -> dict[str, Path]:
    """Sample every model of the run and return where the samples stand, by model name in the report's order.

    A model whose samples were made by the same weights, problems and settings is not sampled again, and a model that
    was finished before an interruption is kept.

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
    """Folders of the models that a run has made so far, by name in the report's order."""
    folders = {name: run_dir / stage / folder for name, (stage, folder) in MODELS.items()}
    return {name: folder for name, folder in folders.items() if folder.exists()}


def samples_path(run_dir: Path, model: str) -> Path:
    """Where the samples of one model of a run stand."""
    return run_dir / "evaluate" / f"samples-{model}.parquet"


def _make_job(stage: Stage, model: str, folder: Path) -> SamplingJob:
    return make_job(
        model,
        folder,
        stage.product("build_data", "test.parquet"),
        stage.recipe.evaluate,
        SYSTEM_PROMPTS[stage.recipe.model.system_prompt],
        stage.recipe.seed,
        samples_path(stage.run_dir, model),
    )

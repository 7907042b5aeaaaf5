"""Run folders of the nano recipe for benchmarks that train many models: stages in this process, samples measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from brevity_figures import Measures, measure
from transformers import AutoTokenizer

from fastmath.data import build
from fastmath.evaluation.models import find_reading
from fastmath.recipe.load import load_recipe
from fastmath.runs.pipeline import open_stage
from fastmath.sampling.jobs import make_job
from fastmath.sampling.processes import run_jobs
from fastmath.training import grpo, sft

ONE_PROCESS: Mapping[str, Any] = {
    "sft.first_epoch_run": False,
    "sft.accelerate": "cpu",
    "sft.trainer.per_device_train_batch_size": 16,
    "grpo.accelerate": "cpu",
    "grpo.trainer.per_device_train_batch_size": 128,
    "evaluate.engines": 1,
}
"""Settings with which a model needs one core, so that two seeds share two cores."""


def run_stage(name: str, run_dir: Path, settings: Mapping[str, Any]) -> None:
    """Run one stage of the nano recipe, or find that it has been run."""
    work = {"build_data": build.run, "sft": sft.run, "grpo": grpo.run}[name]
    stage = open_stage(name, "nano", str(run_dir.absolute()), settings)
    if not stage.is_current():
        with stage.running():
            work(stage)


def make_start(work: Path, seed: int, settings: Mapping[str, Any]) -> Path:
    """The run folder, `start-SEED`, of a seed's data and SFT model."""
    run_dir = work / f"start-{seed}"
    for name in ("build_data", "sft"):
        run_stage(name, run_dir, {**settings, "seed": seed})
    return run_dir


def begin_from(start: Path, run_dir: Path, *stages: str) -> None:
    """Let a run folder have stages of another one."""
    run_dir.mkdir(exist_ok=True)
    for name in stages:
        if not (run_dir / name).exists():
            (run_dir / name).symlink_to((start / name).absolute())


def sample_model(run_dir: Path, model: str, settings: Mapping[str, Any]) -> Measures:
    """Sample a model of a run folder on its test problems as the recipe's evaluation does, and measure the samples.

    What has been sampled is not sampled again.
    """
    recipe = load_recipe("nano", settings)
    problems, destination = run_dir / "build_data" / "test.parquet", run_dir / "samples" / f"{model}.parquet"
    folder = run_dir / model / "model"
    destination.parent.mkdir(exist_ok=True)
    reading = find_reading(model, recipe)
    job = make_job(model, folder, problems, recipe.evaluate, reading, None, recipe.seed, destination)
    run_jobs([job], destination.parent)
    return measure(pl.read_parquet(destination), pl.read_parquet(problems), AutoTokenizer.from_pretrained(folder))


def tell_means(measures: Measures) -> dict[str, float]:
    """The figures of one model."""
    return {
        "pass1": float(measures.pass1.mean()),
        "majority": float(measures.majority.mean()),
        "pass16": float(measures.pass16.mean()),
        "tokens": float(measures.tokens.mean()),
        "oracle_tokens": float(measures.oracle_tokens.mean()),
        "valid": float(measures.valid.sum() / measures.right.sum()),
    }

"""Sampling jobs, one per model, and the start of the process that runs them.

vLLM runs in `fastmath.sampling.sampler`, one process for all models of a run, so that its memory is free again when the
process ends and it is imported only once.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, TypeAdapter

from fastmath.engine.machine import ENVIRONMENT
from fastmath.recipe.inference import EvaluateSettings, ReadingSettings
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.process import end_child, run_child
from fastmath.runs.progress import ProgressBar


class SamplingJob(BaseModel):
    """The model, problems and settings of one sampling, and the file for its samples.

    Jobs are handed to the sampling process as JSON.

    Attributes:
        model: name of the model, for logs and progress bars.
        model_folder: checkpoint folder with weights and tokenizer.
        problems: parquet file of `id, problem, answer`; the first `settings.problems` rows are sampled.
        settings: number of problems and samples, sampling parameters and engine settings.
        reading: where the model's samples end, and where their answers are read.
        system_prompt: text of the system turn; None for no such turn.
        seed: seed from which the seed of every sample is derived.
        destination: parquet file for the samples.
        fingerprint: SHA-256 of everything that the samples depend on; it is stored in the parquet file's metadata, and
            samples with another fingerprint are drawn again.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    model_folder: Path
    problems: Path
    settings: EvaluateSettings
    reading: ReadingSettings
    system_prompt: str | None
    seed: int
    destination: Path
    fingerprint: str

    @property
    def is_done(self) -> bool:
        """Whether `destination` already holds samples of the same weights, problems and settings."""
        there = self.destination.exists()
        return there and pl.read_parquet_metadata(self.destination).get("fingerprint") == self.fingerprint


JOBS = TypeAdapter(list[SamplingJob])


def make_job(
    model: str,
    model_folder: Path,
    problems: Path,
    settings: EvaluateSettings,
    reading: ReadingSettings,
    system_prompt: str | None,
    seed: int,
    destination: Path,
) -> SamplingJob:
    """A job with the fingerprint of its weights, problems and settings; the arguments are attributes of `SamplingJob`.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder lacks its weights, configuration or tokenizer.
        ValueError: the problems' file lacks a column, repeats an id or has no rows.
    """
    check_model_folder(model_folder)
    deciding = {
        "settings": settings.model_dump(mode="json", exclude={"budget_shares"}),
        "reading": reading.model_dump(mode="json"),
        "problems": read_problems(problems, settings.problems).rows(),
        "system_prompt": system_prompt,
        "seed": seed,
        "model": {file.name: _hash_file(file) for file in sorted(model_folder.iterdir()) if file.is_file()},
    }
    return SamplingJob(
        model=model,
        model_folder=model_folder,
        problems=problems,
        settings=settings,
        reading=reading,
        system_prompt=system_prompt,
        seed=seed,
        destination=destination,
        fingerprint=hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest(),
    )


def read_problems(path: Path, count: int) -> pl.DataFrame:
    """The first `count` held-out problems, `id: str, problem: str, answer: int64`.

    Raises:
        ValueError: a column is missing, an id is repeated, or there are no rows.
    """
    problems = pl.read_parquet(path)
    missing = {"id", "problem", "answer"} - set(problems.columns)
    if missing:
        raise ValueError(f"{path} has columns {problems.columns}; want id, problem, answer")
    problems = problems.select(
        pl.col("id").cast(pl.String), pl.col("problem").cast(pl.String), pl.col("answer").cast(pl.Int64)
    ).head(count)
    if problems.is_empty() or problems["id"].n_unique() < len(problems):
        raise ValueError(
            f"{path} holds {len(problems)} problems with {problems['id'].n_unique()} different ids; want at least one "
            "problem and an id of its own for each"
        )
    return problems


def sample_seed(seed: int, problem_id: str, sample: int) -> int:
    """The seed of one sample, below 2**31; a hash, so that it does not depend on other samples or on their order."""
    digest = hashlib.sha256(f"{seed}/{problem_id}/{sample}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def run_jobs(jobs: Sequence[SamplingJob], folder: Path) -> None:
    """Run the sampling process on `jobs`, with a progress bar over the samples of all models.

    Args:
        jobs: the jobs, in the order in which they are run; the first one's settings give the process's environment.
        folder: folder for the job file, the progress and the process's log.

    Raises:
        fastmath.runs.process.ChildFailedError: the process failed.
        OSError: the process failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: Ctrl-C was pressed; it is passed on after the process has ended.
    """
    job_file = folder / "sampling.json"
    job_file.write_bytes(JOBS.dump_json(list(jobs), indent=2))
    with ProgressBar(folder) as bar:
        run_child(
            [sys.executable, "-m", "fastmath.sampling.sampler", str(job_file)],
            log=folder / "sampling.log",
            environment=process_environment(jobs[0].settings),
            watch=bar.show,
            stop=end_child,
        )


def process_environment(settings: EvaluateSettings) -> dict[str, str]:
    """Environment variables of the sampling process: a quiet in-process engine, and those that the recipe sets."""
    # With the engine in another process, vLLM would take some seconds longer to load each model.
    own = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    quiet = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "WARNING"}
    return own | quiet | settings.engine.environment


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

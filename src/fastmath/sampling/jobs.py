"""Sampling jobs: the model, problems and settings of one sampling, and what is still to be drawn of it.

A sample is known by its problem and its number. Samples of the same weights, prompts and settings are kept whatever
else changes, so more samples, problems or sets add to them, and nothing is drawn twice.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from fastmath.answers.integers import canonical_answer
from fastmath.recipe.inference import NEUTRAL_ENGINE_ARGUMENTS, EvaluateSettings, ReadingSettings
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.sources import hash_sources

PROBLEM_SCHEMA = pl.Schema({"id": pl.String, "problem": pl.String, "answer": pl.String})
"""Columns of the problems of a job; others may stand beside them."""


class SamplingJob(BaseModel):
    """The model, problems and settings of one sampling, and the file for its samples.

    Jobs are handed to the sampling processes as JSON.

    Attributes:
        model: name of the model, for logs, progress bars and file names.
        model_folder: checkpoint folder with weights and tokenizer.
        problems: parquet file of `id, problem, answer`, all of which are sampled.
        settings: number of samples, sampling parameters and engine settings.
        reading: where the model's samples end, and where their answers are read.
        system_prompt: text of the system turn; None for no such turn.
        seed: seed from which those of the engines are derived.
        destination: parquet file for the samples.
        fingerprint: SHA-256 of what decides how a sample is drawn: weights, prompts, sampling parameters and seed.
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
    def shards(self) -> Path:
        """Folder of the samples that are not yet in `destination`."""
        return self.destination.parent / "shards" / f"{self.model}-{self.fingerprint[:12]}"


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
    """A job with the fingerprint of its weights and settings; the arguments are attributes of `SamplingJob`.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder lacks its weights, configuration or tokenizer.
    """
    check_model_folder(model_folder)
    files = {file.name: file for file in sorted(model_folder.iterdir()) if file.is_file()}
    arguments = settings.engine.arguments
    deciding = {
        "sampling": settings.model_dump(mode="json", include={"temperature", "top_p", "min_p", "token_budget"}),
        "engine": {name: value for name, value in arguments.items() if name not in NEUTRAL_ENGINE_ARGUMENTS},
        "generation_end": reading.generation_end,
        "system_prompt": system_prompt,
        "seed": seed,
        "model": hash_sources(files, destination.parent),
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


def read_problems(path: Path) -> pl.DataFrame:
    """The problems of a job, `id, problem, answer` and whatever else the file says, as text.

    Integer answers become plain digits, so that `025` and `25` are one.

    Raises:
        ValueError: a column is missing, an id is repeated, or there are no rows.
    """
    problems = pl.read_parquet(path)
    if not set(PROBLEM_SCHEMA) <= set(problems.columns):
        raise ValueError(f"{path} has columns {problems.columns}; want id, problem, answer")
    problems = problems.with_columns(pl.col(name).cast(kind) for name, kind in PROBLEM_SCHEMA.items())
    if problems.is_empty() or problems["id"].n_unique() < len(problems):
        raise ValueError(
            f"{path} holds {len(problems)} problems with {problems['id'].n_unique()} different ids; want at least one "
            "problem and an id of its own for each"
        )
    return problems.with_columns(pl.Series("answer", [canonical_answer(answer) for answer in problems["answer"]]))


def list_wanted(job: SamplingJob) -> pl.DataFrame:
    """Every sample that a job asks for, `problem_id, sample, digest`: first one of each problem, then the second ones.

    `digest` is that of the problem's text, since a sample of another text under the same id is another sample.
    """
    problems = read_problems(job.problems)
    digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in problems["problem"]]
    numbers = pl.DataFrame({"sample": pl.Series(range(job.settings.samples), dtype=pl.Int64)})
    named = pl.DataFrame({"problem_id": problems["id"], "digest": digests})
    return numbers.join(named, how="cross").select("problem_id", "sample", "digest")


def derive_seed(job: SamplingJob, first: Mapping[str, object], rank: int) -> int:
    """Seed of an engine, below 2**31, from the job's, the first sample that it draws and its rank among its siblings.

    The same sampling, begun anew, has the same seed, and whatever is added to it another one.
    """
    name = f"{job.seed}/{first['problem_id']}/{first['sample']}/{rank}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) >> 1

"""Sampling of the held-out problems: which models need it, the process that does it, and the grading of its samples.

vLLM itself runs in `fastmath.sampling.sampler`, one process for all models of a run: its memory goes back when the
process ends, and its import is paid once.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import polars as pl
from pydantic import BaseModel, ConfigDict, TypeAdapter
from tqdm import tqdm

from fastmath.answers.extract import extract_answer
from fastmath.answers.integers import to_int
from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.answers.verifier import Verifier
from fastmath.recipe.sections import EvaluateSettings
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.stage import Stage

logger = logging.getLogger(__name__)

MODELS: Mapping[str, tuple[str, str]] = {
    "sft-epoch-1": ("sft", "first_epoch/model"),
    "sft": ("sft", "model"),
    "grpo": ("grpo", "model"),
    "awq": ("quantize_awq", "model"),
}
"""Every model of a run in the order of the report: its name, the stage that makes it, its folder there."""

SAMPLE_SCHEMA = pl.Schema(
    {
        "problem_id": pl.String,
        "sample": pl.Int64,
        "text": pl.String,
        "answer": pl.String,
        "correct": pl.Boolean,
        "tokens": pl.Int64,
        "finish_reason": pl.String,
        "seed": pl.Int64,
    }
)
"""One row a sample; `tokens` counts generated tokens with the end token, `finish_reason` is `stop` or `length`."""

PROGRESS_MARK = "progress "
_LOG_LINES = 25


class SamplingError(RuntimeError):
    """The sampling process failed; the message ends with the last lines of its log."""


class SamplingJob(BaseModel):
    """What one model is asked, and where its samples go; travels to the sampling process as JSON.

    Attributes:
        model: name of the model, for people.
        model_folder: checkpoint with weights and tokenizer.
        problems: parquet of `id, problem, answer`; its first `settings.problems` rows are asked.
        system_prompt: text of the system turn, none for no such turn.
        destination: parquet of the samples.
        fingerprint: SHA-256 of all that decides the samples; stands in the parquet's metadata.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    model_folder: Path
    problems: Path
    settings: EvaluateSettings
    system_prompt: str | None
    seed: int
    destination: Path
    fingerprint: str


JOBS = TypeAdapter(list[SamplingJob])


def sample_models(stage: Stage) -> dict[str, Path]:
    """Sample every model of the run and return where the samples stand, by model name in the report's order.

    A model whose samples were made by the same weights, problems and settings is not sampled again, and a model that
    was finished before an interruption is kept.

    Raises:
        fastmath.runs.stage.MissingStageError: the SFT model or the held-out problems are missing.
        ModelFolderError: a model folder lacks its weights, configuration or tokenizer.
        SamplingError: the sampling process failed.
    """
    stage.product("sft", "model")
    jobs = [_make_job(stage, name, folder) for name, folder in find_models(stage.run_dir).items()]
    pending = [job for job in jobs if not _is_sampled(job)]
    for job in jobs:
        logger.info("%s: %s", job.model, "to be sampled" if job in pending else "samples are there already")
    if pending:
        _run_process(pending, stage.folder)
    return {job.model: job.destination for job in jobs}


def find_models(run_dir: Path) -> dict[str, Path]:
    """Folders of the models that a run has made so far, by name in the report's order."""
    folders = {name: run_dir / stage / folder for name, (stage, folder) in MODELS.items()}
    return {name: folder for name, folder in folders.items() if folder.exists()}


def samples_path(run_dir: Path, model: str) -> Path:
    """Where the samples of one model of a run stand."""
    return run_dir / "evaluate" / f"samples-{model}.parquet"


def sample_seed(seed: int, problem_id: str, sample: int) -> int:
    """The seed of one sample, below 2**31: a hash, so that it depends neither on the order nor on other samples."""
    digest = hashlib.sha256(f"{seed}/{problem_id}/{sample}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def grade_samples(samples: pl.DataFrame, problems: pl.DataFrame) -> pl.DataFrame:
    """Add `answer` and `correct` to raw samples.

    Args:
        samples: `problem_id, sample, text, tokens, finish_reason, seed`.
        problems: `id, problem, answer`.

    Returns:
        Rows of `SAMPLE_SCHEMA`. An answer that is an integer is written as one, so that `025` and `25` are the same
        vote. A sample that did not finish, or has no box in its reasoning, has no answer and is wrong.
    """
    gold = dict(zip(problems["id"], problems["answer"].cast(pl.String), strict=True))
    answers = [
        _normalize(extract_answer(text, where="reasoning", require_finished=True)) if reason == "stop" else None
        for text, reason in zip(samples["text"], samples["finish_reason"], strict=True)
    ]
    pairs = [(gold[problem_id], answer) for problem_id, answer in zip(samples["problem_id"], answers, strict=True)]
    with Verifier() as verifier:
        correct = [verdict.correct is True for verdict in verifier.verify_many(pairs)]
    graded = samples.with_columns(
        pl.Series("answer", answers, dtype=pl.String), pl.Series("correct", correct, dtype=pl.Boolean)
    )
    return graded.select(pl.col(name).cast(dtype) for name, dtype in SAMPLE_SCHEMA.items())


def read_problems(path: Path, count: int) -> pl.DataFrame:
    """The first `count` held-out problems, `id: str, problem: str, answer: int64`.

    Raises:
        ValueError: a column is missing, ids repeat, or there are no rows.
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


def _make_job(stage: Stage, model: str, folder: Path) -> SamplingJob:
    settings = stage.recipe.evaluate
    problems = stage.product("build_data", "test.parquet")
    system_prompt = SYSTEM_PROMPTS[stage.recipe.model.system_prompt]
    check_model_folder(folder)
    deciding = {
        "settings": settings.model_dump(mode="json", exclude={"budget_shares"}),
        "problems": read_problems(problems, settings.problems).rows(),
        "system_prompt": system_prompt,
        "seed": stage.recipe.seed,
        "model": {file.name: _hash_file(file) for file in sorted(folder.iterdir()) if file.is_file()},
    }
    return SamplingJob(
        model=model,
        model_folder=folder,
        problems=problems,
        settings=settings,
        system_prompt=system_prompt,
        seed=stage.recipe.seed,
        destination=samples_path(stage.run_dir, model),
        fingerprint=hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest(),
    )


def _is_sampled(job: SamplingJob) -> bool:
    return job.destination.exists() and pl.read_parquet_metadata(job.destination).get("fingerprint") == job.fingerprint


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _normalize(answer: str | None) -> str | None:
    if answer is None:
        return None
    integer = to_int(answer)
    return answer if integer is None else str(integer)


def _run_process(jobs: Sequence[SamplingJob], folder: Path) -> None:
    """Run the sampling process on `jobs`, show its progress, and stop it when this process is stopped."""
    job_file, log_file = folder / "sampling.json", folder / "sampling.log"
    job_file.write_bytes(JOBS.dump_json(list(jobs), indent=2))
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fastmath.sampling.sampler", str(job_file)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=process_environment(jobs[0].settings),
        )
        try:
            _show_progress(process.stdout)
            code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code != 0:
        tail = "\n".join(log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        raise SamplingError(f"the sampling process ended with exit code {code}; the end of {log_file}:\n{tail}")


def process_environment(settings: EvaluateSettings) -> dict[str, str]:
    """Environment of the sampling process: this one's, a quiet in-process engine, and what the recipe sets."""
    # With its engine in a process of its own vLLM would need seconds more to load each model.
    engine = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    }
    return dict(os.environ) | engine | settings.engine.environment


def _show_progress(lines: IO[str] | None) -> None:
    """Draw one bar a model from the `model, finished, total` lines of the sampling process."""
    bars: dict[str, tqdm] = {}
    for line in lines or ():
        # vLLM's own libraries may write to standard output, too.
        if not line.startswith(PROGRESS_MARK):
            continue
        progress = json.loads(line.removeprefix(PROGRESS_MARK))
        name = progress["model"]
        if name not in bars:
            bars[name] = tqdm(desc=name, total=progress["total"], unit="sample", file=sys.stdout, mininterval=1.0)
        bars[name].update(progress["finished"] - bars[name].n)
        if progress["finished"] == progress["total"]:
            bars[name].close()
    for bar in bars.values():
        bar.close()

"""The samples of a job on disk: shards while it is drawn, one file at its end.

A process writes its samples in shards as they finish. A kill loses the shard that was not full and the samples that
were still growing; everything else is there for the next process.
"""

import hashlib
import itertools
import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from fastmath.runs.files import write_parquet
from fastmath.sampling.jobs import SamplingJob, list_wanted

DRAWN_SCHEMA = pl.Schema(
    {
        "problem_id": pl.String,
        "sample": pl.Int64,
        "digest": pl.String,
        "text": pl.String,
        "tokens": pl.Int64,
        "reasoning_tokens": pl.Int64,
        "finish_reason": pl.String,
        "seed": pl.Int64,
    }
)
"""Columns of samples that are not judged; `digest` is that of the problem's text, `seed` that of the engine."""
KEY = ("problem_id", "sample", "digest")
"""What a sample is known by."""


class ShardWriter:
    """Collects samples and writes a file whenever there are enough; a context manager that writes the rest."""

    def __init__(self, folder: Path, rows: int, rank: int) -> None:
        """Begin to write.

        Args:
            folder: folder of the shards, which is made.
            rows: samples per file.
            rank: number of the process, so that several can write side by side.
        """
        folder.mkdir(parents=True, exist_ok=True)
        taken = {path.name for path in folder.glob("*.parquet")}
        names = (f"{rank}-{number:05}.parquet" for number in itertools.count())
        self._paths = (folder / name for name in names if name not in taken)
        self._rows, self._wanted = [], rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._write()

    def add(self, row: dict[str, Any]) -> None:
        """Add one sample, a row of `DRAWN_SCHEMA`."""
        self._rows.append(row)
        if len(self._rows) >= self._wanted:
            self._write()

    def _write(self) -> None:
        if self._rows:
            write_parquet(pl.DataFrame(self._rows, schema=DRAWN_SCHEMA), next(self._paths))
            self._rows.clear()


def read_drawn(job: SamplingJob) -> pl.DataFrame:
    """All samples that there are of a job, `DRAWN_SCHEMA`: those of its file, if this is of the same, and shards."""
    parts = [pl.read_parquet(path) for path in sorted(job.shards.glob("*.parquet"))]
    metadata = _read_metadata(job)
    if metadata.get("fingerprint") == job.fingerprint:
        digests = json.loads(metadata["digests"])
        digest = pl.col("problem_id").replace_strict(digests, return_dtype=pl.String).alias("digest")
        parts.insert(0, pl.read_parquet(job.destination).with_columns(digest))
    drawn = pl.concat([part.select(DRAWN_SCHEMA.names()) for part in parts] or [pl.DataFrame(schema=DRAWN_SCHEMA)])
    return drawn.unique(KEY, keep="first", maintain_order=True)  # a kill may leave a shard that is in the file already


def list_pending(job: SamplingJob) -> pl.DataFrame:
    """The samples that are still to be drawn, `KEY`, in the order of `list_wanted`."""
    return list_wanted(job).join(read_drawn(job), on=KEY, how="anti", maintain_order="left")


def is_judged(job: SamplingJob) -> bool:
    """Whether the job's file holds all of its samples, judged by the same reference answers and reading."""
    return _read_metadata(job).get("content") == _describe_content(job)


def describe_file(job: SamplingJob, wanted: pl.DataFrame) -> dict[str, str]:
    """Metadata of the file of a job's samples, by which `read_drawn` and `is_judged` know it.

    Args:
        job: the job.
        wanted: its samples, from `list_wanted`.
    """
    digests = dict(wanted.select("problem_id", "digest").unique().iter_rows())
    return {"fingerprint": job.fingerprint, "content": _describe_content(job), "digests": json.dumps(digests)}


def _read_metadata(job: SamplingJob) -> dict[str, str]:
    return pl.read_parquet_metadata(job.destination) if job.destination.exists() else {}


def _describe_content(job: SamplingJob) -> str:
    problems = pl.read_parquet(job.problems).select(pl.col("id", "problem", "answer").cast(pl.String))
    parts = (job.fingerprint, job.settings.samples, job.reading.answer_place, problems.rows())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def clear_shards(job: SamplingJob) -> None:
    """Remove a job's shards, whose samples stand in its file."""
    shutil.rmtree(job.shards, ignore_errors=True)

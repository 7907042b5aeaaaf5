"""Recorded votes, `id, gold, model, answers[], tokens[]`: one row a model and problem, for `fastmath replay`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.evaluation.formats.records import Problem, Sample, pair_with_problems, require_tokens
from fastmath.evaluation.formats.rows import Row, write_rows


def read_model(row: Row) -> str | None:
    """The model of a row."""
    row.require("model")
    return row.text("model")


def read_problem(row: Row) -> Problem:
    """The problem of a row."""
    row.require("id", "gold")
    return Problem(str(row.fields["id"]), None, row.text("gold"))


def read_samples(row: Row) -> list[Sample]:
    """The samples of a row, in their recorded order; null and an empty text are no answer."""
    row.require("answers", "tokens")
    answers = row.items("answers") or []
    tokens = row.items("tokens", len(answers)) or []
    if not answers:
        raise row.error("'answers' is empty", "at least one sample")
    return [
        Sample(number, answer=None if answer is None else str(answer), tokens=row.read_count("tokens", count))
        for number, (answer, count) in enumerate(zip(answers, tokens, strict=True))
    ]


def write_votes(samples: Mapping[str, Path], problems: Path, destination: Path) -> None:
    """Write the samples of parquet files as votes.

    Args:
        samples: model name → parquet file of its samples, of `fastmath.sampling.samples.SAMPLE_SCHEMA`.
        problems: parquet file of `id, problem, answer`, whose answers become `gold`.
        destination: JSONL file to write; its answers are texts, and a sample without an answer has an empty one.
    """
    tables = {model: pl.read_parquet(path) for model, path in samples.items()}
    write_votes_tables(tables, pl.read_parquet(problems), destination)


def write_votes_tables(samples: Mapping[str, pl.DataFrame], problems: pl.DataFrame, destination: Path) -> None:
    """Write tables of samples as votes, models and problems in their order.

    Args:
        samples: model name → table of `SAMPLE_SCHEMA`, with token counts.
        problems: table of `id, answer`.
        destination: JSONL file to write.

    Raises:
        fastmath.evaluation.formats.rows.FormatError: a problem is not known, or a sample has no token count.
    """
    write_rows(destination, [row for model, table in samples.items() for row in _write_rows(model, table, problems)])


def _write_rows(model: str, samples: pl.DataFrame, problems: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for problem, drawn in pair_with_problems(samples, problems):
        yield {
            "id": problem.id,
            "gold": problem.answer,
            "model": model,
            "answers": [sample.answer or "" for sample in drawn],
            "tokens": require_tokens(problem, drawn),
        }

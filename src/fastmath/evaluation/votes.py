"""Export of a run's samples as recorded votes, so that `fastmath replay` can compare policies on one's own model."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl


def write_votes(samples: Mapping[str, Path], problems: Path, destination: Path) -> None:
    """Write JSONL of `id, gold, model, answers[], tokens[]`, one line per model and problem.

    Args:
        samples: model name → parquet file of its samples, of `fastmath.sampling.samples.SAMPLE_SCHEMA`.
        problems: parquet file of `id, problem, answer`, whose answers become `gold`.
        destination: JSONL file to write; its answers are texts, and a sample without an answer has an empty one.
    """
    golds = dict(pl.read_parquet(problems).select(pl.col("id", "answer").cast(pl.String)).iter_rows())
    with destination.open("w") as file:
        for model, path in samples.items():
            drawn = pl.read_parquet(path).sort("problem_id", "sample").with_columns(pl.col("answer").fill_null(""))
            for (problem,), rows in drawn.group_by(["problem_id"], maintain_order=True):
                line = {"id": problem, "gold": golds[problem], "model": model}
                line |= {"answers": rows["answer"].to_list(), "tokens": rows["tokens"].to_list()}
                file.write(json.dumps(line) + "\n")

"""The samples of a run as recorded votes, so that `fastmath replay` can choose rules for one's own model."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl


def write_votes(samples: Mapping[str, Path], problems: Path, destination: Path) -> None:
    """Write JSONL of `id, gold, model, answers[], tokens[]`, one line a model and problem.

    Args:
        samples: model name → parquet of its samples, of `fastmath.sampling.samples.SAMPLE_SCHEMA`.
        problems: parquet of `id, problem, answer`.
        destination: the file; its answers are texts as extracted, empty for none.
    """
    golds = dict(pl.read_parquet(problems).select(pl.col("id", "answer").cast(pl.String)).iter_rows())
    with destination.open("w") as file:
        for model, path in samples.items():
            drawn = pl.read_parquet(path).sort("problem_id", "sample").with_columns(pl.col("answer").fill_null(""))
            for (problem,), rows in drawn.group_by(["problem_id"], maintain_order=True):
                line = {"id": problem, "gold": golds[problem], "model": model}
                line |= {"answers": rows["answer"].to_list(), "tokens": rows["tokens"].to_list()}
                file.write(json.dumps(line) + "\n")

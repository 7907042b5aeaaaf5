"""Tables of samples from files: parquet as the sampler writes it, or JSONL of recorded votes."""

import json
from collections import Counter
from pathlib import Path

import polars as pl

from fastmath.answers.integers import to_int
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.sampling.samples import SAMPLE_SCHEMA


def read_samples_table(path: Path, model: str | None = None) -> pl.DataFrame:
    """Read the samples of one model.

    Args:
        path: parquet file of the columns of `SAMPLE_SCHEMA`, or JSONL of `id, gold, model, answers[], tokens[]`.
        model: whose recorded votes are wanted; None where the file holds one model.

    Raises:
        SettingsError: the file cannot be read, or it does not hold the model.
    """
    if path.suffix == ".parquet":
        table = pl.read_parquet(path)
        missing = [name for name in SAMPLE_SCHEMA if name not in table.columns]
        if missing:
            raise SettingsError(f"{path} has no column {', '.join(missing)}; want {', '.join(SAMPLE_SCHEMA)}")
        return table
    rows = [json.loads(line) for line in path.read_text().splitlines() if line]
    models = list(dict.fromkeys(row["model"] for row in rows))
    if model is None and len(models) != 1:
        raise SettingsError(f"{path} holds {len(models)} models; want {path}:MODEL, one of {', '.join(models)}")
    if model is not None:
        require_known(f"the model of {path}", model, models)
    samples, seen = [], Counter[str]()
    for row in rows:
        if model in (None, row["model"]):
            seen[row["id"]] += 1
            problem = row["id"] if seen[row["id"]] == 1 else f"{row['id']} ({seen[row['id']]})"
            gold = to_int(str(row["gold"]))
            for sample, (text, tokens) in enumerate(zip(row["answers"], row["tokens"], strict=True)):
                value = to_int(text)
                answer = (text or None) if value is None else str(value)
                correct = value is not None and value == gold
                samples.append((problem, sample, None, answer, correct, tokens, None, None, None))
    return pl.DataFrame(samples, schema=SAMPLE_SCHEMA, orient="row")

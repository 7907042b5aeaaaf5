"""The table of samples: one row per sample, with its answer and whether that is correct."""

import polars as pl

from fastmath.answers.integers import canonical_answer
from fastmath.answers.judge import judge_completions
from fastmath.answers.verifier import Verifier

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
"""Columns of the table; `tokens` counts generated tokens with the stop token, `finish_reason` is `stop` or `length`."""


def judge_samples(samples: pl.DataFrame, problems: pl.DataFrame) -> pl.DataFrame:
    """Add the columns `answer` and `correct` to raw samples.

    Args:
        samples: table of `problem_id, sample, text, tokens, finish_reason, seed`.
        problems: table of `id, problem, answer`.

    Returns:
        Table of `SAMPLE_SCHEMA`. Integer answers are written as plain integers, so that `025` and `25` are the same
        vote. A sample that was cut off, or whose reasoning has no box, has no answer and counts as wrong.
    """
    gold = dict(zip(problems["id"], problems["answer"].cast(pl.String), strict=True))
    texts = [
        text if reason == "stop" else "" for text, reason in zip(samples["text"], samples["finish_reason"], strict=True)
    ]
    with Verifier() as verifier:
        judgements = judge_completions(texts, [gold[name] for name in samples["problem_id"]], verifier)
    answers = [None if item.answer is None else canonical_answer(item.answer) for item in judgements]
    judged = samples.with_columns(
        pl.Series("answer", answers, dtype=pl.String),
        pl.Series("correct", [item.correct is True for item in judgements], dtype=pl.Boolean),
    )
    return judged.select(pl.col(name).cast(dtype) for name, dtype in SAMPLE_SCHEMA.items())

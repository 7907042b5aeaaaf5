"""The table of samples: one row per sample, with its answer and whether that is correct."""

import polars as pl

from fastmath.answers.extract import AnswerPlace
from fastmath.answers.integers import to_int
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
        "reasoning_tokens": pl.Int64,
        "finish_reason": pl.String,
        "seed": pl.Int64,
    }
)
"""Columns of the table; `tokens` counts generated tokens with the stop token, `reasoning_tokens` those up to the
end of the reasoning, `finish_reason` is `stop` or `length`."""


def judge_samples(samples: pl.DataFrame, problems: pl.DataFrame, where: AnswerPlace = "reasoning") -> pl.DataFrame:
    """Add the columns `answer` and `correct` to raw samples.

    Args:
        samples: table of `problem_id, sample, text, tokens, reasoning_tokens, finish_reason, seed`.
        problems: table of `id, problem, answer`.
        where: part of a sample whose last box is its answer.

    Returns:
        Table of `SAMPLE_SCHEMA`. Integer answers are written as plain integers, so that `025` and `25` are the same
        vote. A sample that was cut off, or without a box where its answer is read, has no answer and counts as wrong.
    """
    gold = dict(zip(problems["id"], problems["answer"].cast(pl.String), strict=True))
    texts = [
        text if reason == "stop" else "" for text, reason in zip(samples["text"], samples["finish_reason"], strict=True)
    ]
    golds = [gold[name] for name in samples["problem_id"]]
    with Verifier() as verifier:
        # A sample that ended by itself is whole, also that of a model which writes no `</think>`.
        judgements = judge_completions(texts, golds, verifier, where, require_finished=where != "anywhere")
    answers = [_write_vote(item.answer) for item in judgements]
    judged = samples.with_columns(
        pl.Series("answer", answers, dtype=pl.String),
        pl.Series("correct", [item.correct is True for item in judgements], dtype=pl.Boolean),
    )
    return judged.select(pl.col(name).cast(dtype) for name, dtype in SAMPLE_SCHEMA.items())


def _write_vote(answer: str | None) -> str | None:
    """An answer as the vote that it casts: integers in plain digits, so that `x = 7` and `7.0` vote for the same."""
    integer = None if answer is None else to_int(answer)
    return answer if integer is None else str(integer)

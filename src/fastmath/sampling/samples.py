"""The table of samples: one row per sample, with its answer and whether that is correct."""

import itertools

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
"""Columns of the table; `answer` is the vote that the sample casts, `tokens` counts generated tokens with the stop
token, `reasoning_tokens` those up to the end of the reasoning, `finish_reason` is `stop` or `length`."""


def judge_samples(samples: pl.DataFrame, problems: pl.DataFrame, where: AnswerPlace = "reasoning") -> pl.DataFrame:
    """Add the columns `answer` and `correct` to raw samples.

    Answers that are the same are written in the same way, since the votes for them are counted: integers in plain
    digits, correct answers as the reference, and others as the first of their problem that the verifier finds equal.

    Args:
        samples: table of `problem_id, sample, text, tokens, reasoning_tokens, finish_reason, seed`.
        problems: table of `id, problem, answer`.
        where: part of a sample whose last box is its answer.

    Returns:
        Table of `SAMPLE_SCHEMA`, whose rows keep their order. A sample that was cut off, or without a box where its
        answer is read, has no answer and counts as wrong.
    """
    gold = dict(zip(problems["id"], problems["answer"].cast(pl.String), strict=True))
    texts = [
        text if reason == "stop" else "" for text, reason in zip(samples["text"], samples["finish_reason"], strict=True)
    ]
    golds = [gold[name] for name in samples["problem_id"]]
    with Verifier() as verifier:
        # A sample that ended by itself is whole, also that of a model which writes no `</think>`.
        judgements = judge_completions(texts, golds, verifier, where, require_finished=where != "anywhere")
        correct = [item.correct is True for item in judgements]
        votes = [
            reference if right else write_vote(item.answer)
            for item, right, reference in zip(judgements, correct, golds, strict=True)
        ]
        votes = unite_votes(samples["problem_id"].to_list(), votes, verifier)
    judged = samples.with_columns(
        pl.Series("answer", votes, dtype=pl.String), pl.Series("correct", correct, dtype=pl.Boolean)
    )
    return judged.select(pl.col(name).cast(dtype) for name, dtype in SAMPLE_SCHEMA.items())


def write_vote(answer: str | None) -> str | None:
    """An answer as the vote that it casts: integers in plain digits, so that `x = 7` and `7.0` vote for the same.

    None, and an answer without text, cast none.
    """
    if answer is None or not answer.strip():
        return None
    integer = to_int(answer)
    return answer if integer is None else str(integer)


def unite_votes(problems: list[str], votes: list[str | None], verifier: Verifier) -> list[str | None]:
    r"""Write equal votes of a problem in the same way, the first one's; integers are so already.

    Args:
        problems: problem of each vote.
        votes: the votes; None for a sample without an answer.
        verifier: finds out which votes are equal.

    Example: of `\frac12`, `7`, `0.5` and `\frac{1}{2}` to one problem the third and the fourth become `\frac12`.
    """
    texts: dict[str, list[str]] = {}
    for problem, vote in zip(problems, votes, strict=True):
        if vote is not None and to_int(vote) is None and vote not in texts.setdefault(problem, []):
            texts[problem].append(vote)
    pairs = [(problem, *pair) for problem, each in texts.items() for pair in itertools.combinations(each, 2)]
    verdicts = verifier.verify_many([(first, second) for _, first, second in pairs])
    first_of: dict[tuple[str, str], str] = {}
    for (problem, first, second), verdict in zip(pairs, verdicts, strict=True):
        if verdict.correct:
            first_of.setdefault((problem, second), first_of.get((problem, first), first))
    return [
        None if vote is None else first_of.get((problem, vote), vote)
        for problem, vote in zip(problems, votes, strict=True)
    ]

"""Problems and samples as the rows of any format state them, and the tables that are made of them."""

import collections
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from fastmath.answers.verifier import Verifier
from fastmath.evaluation.formats.rows import FormatError, Row
from fastmath.sampling.jobs import PROBLEM_SCHEMA
from fastmath.sampling.samples import SAMPLE_SCHEMA, write_vote


@dataclass(frozen=True)
class Problem:
    """A problem as a row states it.

    Attributes:
        id: its id, or its number in the file where the row has none.
        problem: its statement; None where the format has none.
        answer: its gold answer; None where the row has none.
    """

    id: str
    problem: str | None
    answer: str | None


@dataclass(frozen=True)
class Sample:
    """A sample as a row states it; None stands for what the row does not say.

    Attributes:
        sample: number of the sample among those of its problem.
        text: generated text.
        answer: answer as the file writes it; None or empty where the sample has none.
        correct: the file's own verdict.
        tokens: number of generated tokens.
        reasoning_tokens: number of those up to the end of the reasoning.
        finish_reason: `stop` or `length`.
        seed: seed of the sample.
    """

    sample: int
    text: str | None = None
    answer: str | None = None
    correct: bool | None = None
    tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    seed: int | None = None


def collect_problems(stated: Iterable[tuple[Row, Problem]]) -> list[Problem]:
    """The problems that rows state, each once, in order of first appearance.

    Raises:
        FormatError: two rows have the same id, and another gold answer or another statement.
    """
    problems: dict[str, Problem] = {}
    for row, problem in stated:
        first = problems.setdefault(problem.id, problem)
        if first != problem:
            what = "gold answer" if first.answer != problem.answer else "statement"
            raise row.error(f"another {what} than earlier rows for problem {problem.id!r}", "one problem an id")
    return list(problems.values())


def build_samples_table(samples: Sequence[tuple[Problem, Sample]]) -> pl.DataFrame:
    """The table of samples, with the answers as the votes that they cast.

    Integer answers are written in plain digits, so that `025` and `25` are the same vote. A sample that its file does
    not judge is judged against the gold answer, each distinct pair of gold and answer once; it is wrong where it has no
    answer or cannot be judged. What a file does not say is null, except that all tokens count as reasoning where it
    counts only them.

    Args:
        samples: the samples with their problems, in the table's order.

    Returns:
        Table of `SAMPLE_SCHEMA`.

    Raises:
        FormatError: a sample that its file does not judge has an answer, and its problem no gold one.
    """
    answers = [write_vote(sample.answer) for _, sample in samples]
    pairs: dict[int, tuple[str, str]] = {}
    for position, ((problem, sample), answer) in enumerate(zip(samples, answers, strict=True)):
        if sample.correct is None and answer is not None:
            if problem.answer is None:
                raise FormatError(
                    f"sample {sample.sample} of problem {problem.id!r} is not judged, and the problem has no gold "
                    "answer; want one of them"
                )
            pairs[position] = (problem.answer, answer)
    with Verifier() as verifier:
        verdicts = dict(zip(pairs, verifier.verify_many(list(pairs.values())), strict=True))
    rows = [
        {
            **vars(sample),
            "problem_id": problem.id,
            "answer": answer,
            "correct": verdicts[position].correct is True if position in verdicts else sample.correct is True,
            "reasoning_tokens": sample.tokens if sample.reasoning_tokens is None else sample.reasoning_tokens,
        }
        for position, ((problem, sample), answer) in enumerate(zip(samples, answers, strict=True))
    ]
    return pl.DataFrame(rows, schema=SAMPLE_SCHEMA)


def build_problems_table(problems: Iterable[Problem]) -> pl.DataFrame:
    """The table of problems, of `PROBLEM_SCHEMA`."""
    return pl.DataFrame([vars(problem) for problem in problems], schema=PROBLEM_SCHEMA)


def read_finish_reason(value: object) -> str | None:
    """`stop` or `length`; None for what the samples table does not know, such as a server's `tool_calls`."""
    return value if value in ("stop", "length") else None


def require_distinct(place: str, samples: Sequence[tuple[Problem, Sample]]) -> None:
    """Refuse two samples of one problem with the same number.

    Raises:
        FormatError: there are such samples; the message begins with `place`.
    """
    counts = collections.Counter((problem.id, sample.sample) for problem, sample in samples)
    for (problem, sample), count in counts.items():
        if count > 1:
            raise FormatError(f"{place}: {count} rows hold sample {sample} of problem {problem!r}; want one")


def pair_with_problems(samples: pl.DataFrame, problems: pl.DataFrame) -> list[tuple[Problem, list[Sample]]]:
    """The problems that have samples, in order of first appearance, each with its samples in order of their numbers.

    Args:
        samples: table of `SAMPLE_SCHEMA`.
        problems: table of `id, answer` and, where it is known, `problem`.

    Raises:
        FormatError: a sample's problem is not among the problems.
    """
    columns = [
        pl.col(name).cast(pl.String) if name in problems.columns else pl.lit(None, pl.String).alias(name)
        for name in PROBLEM_SCHEMA.names()
    ]
    known = {row["id"]: Problem(**row) for row in problems.select(columns).iter_rows(named=True)}
    grouped: dict[str, list[Sample]] = {}
    for row in samples.sort("sample", maintain_order=True).iter_rows(named=True):
        grouped.setdefault(row.pop("problem_id"), []).append(Sample(**row))
    order = samples["problem_id"].unique(maintain_order=True).to_list()
    missing = [name for name in order if name not in known]
    if missing:
        raise FormatError(
            f"{len(missing)} problems have samples and no gold answer, the first is {missing[0]!r}; want them among "
            f"the {len(known)} problems (--problems)"
        )
    return [(known[name], grouped[name]) for name in order]


def require_tokens(problem: Problem, samples: Sequence[Sample]) -> list[int]:
    """The token counts of samples, for a format that is nothing without them.

    Raises:
        FormatError: a sample has none, since the file from which it comes counts no tokens.
    """
    counts = [sample.tokens for sample in samples if sample.tokens is not None]
    if len(counts) < len(samples):
        raise FormatError(f"samples of problem {problem.id!r} have no token counts; want a source that counts tokens")
    return counts

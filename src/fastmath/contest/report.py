"""The report of a contest: what was answered, by what, and whether anything was answered at all."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

logger = logging.getLogger(__name__)


class EmptyContestError(RuntimeError):
    """A contest came to its end without what makes it one: tokens, questions without errors, or votes."""


@dataclass(frozen=True)
class FullVotes:
    """Results and cost of full votes on all questions.

    Attributes:
        answers: id of a question → the answer of its full vote, None where no sample had one, or none in its time.
        answered: number of questions that were over within the time limit.
        seconds: wall time of all full votes together, in seconds.
        tokens: tokens that all samples generated.
    """

    answers: Mapping[str, int | None]
    answered: int
    seconds: float
    tokens: int


def summarize(
    asked: pl.DataFrame,
    records: Sequence[Mapping[str, Any]],
    full: FullVotes | None,
    seconds: float,
    limit: float,
    same_clock: FullVotes | None = None,
) -> dict[str, Any]:
    """The contest's report.

    Args:
        asked: the questions, from `fastmath.contest.questions.read_questions`.
        records: the contest's journal.
        full: full votes on the same questions; None where there were none.
        seconds: wall time of the contest, in seconds.
        limit: its time limit, in seconds.
        same_clock: full votes on the same questions within the same limit; None where there were none.

    Returns:
        `questions`; `answered` in time, by a vote or by the fallback; `by_vote` and `by_fallback`, whenever they came;
        `errors`, questions that ended in an error; `correct` and `right_by_vote`, which are equal, since a fallback
        never counts as right, and None where the CSV has no answers; `engine_starts`; `seconds`, `limit_seconds`,
        `tokens`; `tokens_full_vote`, `correct_full_vote`, `seconds_full_vote`, which are None without full votes; and
        `full_vote_same_clock`, the full votes within the same limit under the same names (`answered`, `by_vote`,
        `by_fallback`, `right_by_vote`, `seconds`, `tokens`), None where there were none.
    """
    votes = count_votes(asked, find_votes(records))
    return {
        "questions": asked.height,
        "answered": sum(record["elapsed_seconds"] <= limit for record in records),
        "by_vote": votes["by_vote"],
        "by_fallback": votes["by_fallback"],
        "errors": sum(record["reason"] == "error" for record in records),
        "correct": votes["right_by_vote"],
        "right_by_vote": votes["right_by_vote"],
        "engine_starts": max((record.get("engine_starts", 0) for record in records), default=0),
        "seconds": round(seconds, 3),
        "limit_seconds": round(limit, 3),
        "tokens": sum(record["tokens"] for record in records),
        "tokens_full_vote": full and full.tokens,
        "correct_full_vote": full and count_votes(asked, full.answers)["right_by_vote"],
        "seconds_full_vote": full and round(full.seconds, 3),
        "full_vote_same_clock": same_clock and _summarize_full_votes(asked, same_clock),
    }


def find_votes(records: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Id of a question → the answer that its samples voted for, None where the fallback was answered.

    Args:
        records: the contest's journal.
    """
    return {record["id"]: record["answer"] if record["votes"] else None for record in records}


def count_votes(asked: pl.DataFrame, answers: Mapping[str, int | None]) -> dict[str, int | None]:
    """What was answered by a vote.

    Args:
        asked: the questions, from `fastmath.contest.questions.read_questions`.
        answers: id of a question → the answer of its vote, None for a question without one.

    Returns:
        `by_vote`; `by_fallback`, the questions without a vote; and `right_by_vote`, None where the CSV has no answers.
    """
    voted = sum(answer is not None for answer in answers.values())
    right = None
    if "answer" in asked.columns:
        golds = asked.select("id", "answer").drop_nulls()
        right = sum(answers.get(identifier) == gold for identifier, gold in golds.iter_rows())
    return {"by_vote": voted, "by_fallback": len(answers) - voted, "right_by_vote": right}


def _summarize_full_votes(asked: pl.DataFrame, votes: FullVotes) -> dict[str, Any]:
    counts = count_votes(asked, votes.answers)
    return {"answered": votes.answered, **counts, "seconds": round(votes.seconds, 3), "tokens": votes.tokens}


def find_emptiness(report: Mapping[str, Any], require_votes: bool) -> str | None:
    """Why a contest must not pass for one that was played; None where it may.

    A fallback is a valid answer, so that a contest whose engine never started looks whole from outside.

    Args:
        report: from `summarize`.
        require_votes: whether at least one question must have been answered by a vote.
    """
    if report["tokens"] == 0:
        return f"no token was generated for any of {report['questions']} questions"
    if report["errors"] == report["questions"]:
        return f"every one of {report['questions']} questions ended in an error"
    if require_votes and report["by_vote"] == 0:
        return (
            f"no sample of {report['questions']} questions had an answer ({report['tokens']} tokens), and the recipe "
            "wants at least one (`kernel.require_votes`)"
        )
    return None


def require_substance(report: Mapping[str, Any], records: Sequence[Mapping[str, Any]], require_votes: bool) -> None:
    """Refuse a contest that answered nothing, once its files are written; warn of one without a single vote.

    Raises:
        EmptyContestError: there is a reason from `find_emptiness`; the message adds the first error of the journal.
    """
    reason = find_emptiness(report, require_votes)
    if reason is not None:
        first = next((record["error"] for record in records if record["error"]), None)
        raise EmptyContestError(f"{reason}; " + (f"the first error: {first}" if first else "there were no errors"))
    if report["by_vote"] == 0:
        logger.warning(
            "no question was answered by a vote: %d tokens held no answer; every answer is the fallback",
            report["tokens"],
        )

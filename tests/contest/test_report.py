"""A contest's report: what counts as answered, what as right, and what must not pass for a contest."""

import polars as pl
import pytest

from fastmath.contest.report import (
    EmptyContestError,
    FullVotes,
    count_votes,
    find_emptiness,
    require_substance,
    summarize,
)


def record(identifier: str, answer: int, votes: list[int], **changes: object) -> dict:
    values = {"reason": "lead" if votes else "no votes", "tokens": 10, "elapsed_seconds": 1.0, "error": None}
    return {"id": identifier, "answer": answer, "votes": votes, "engine_starts": 1} | values | changes


ASKED = pl.DataFrame({"id": ["a", "b", "c", "d"], "problem": ["?"] * 4, "answer": [7, 0, 0, None]})
RECORDS = [
    record("a", 7, [7, 7]),
    record("b", 0, [0], elapsed_seconds=11.0),
    record("c", 0, [], reason="error", tokens=0, error="EngineLostError: it died", engine_starts=3),
    record("d", 5, [5]),
]


def test_what_was_answered_is_told_by_vote_by_fallback_and_by_error():
    report = summarize(ASKED, RECORDS, None, seconds=12.0, limit=10.0)
    # All but b within 10 s; votes for a, b and d, the fallback for c.
    assert [report[name] for name in ("answered", "by_vote", "by_fallback", "errors")] == [3, 3, 1, 1]


def test_a_fallback_never_counts_as_right():
    # a and b are right by votes; c's fallback, 0, is its answer by chance; d's is not known.
    report = summarize(ASKED, RECORDS, None, 12.0, 10.0)
    assert (report["right_by_vote"], report["correct"]) == (2, 2)


def test_engine_starts_are_the_latest_count():
    assert summarize(ASKED, RECORDS, None, 12.0, 10.0)["engine_starts"] == 3


def test_answers_that_are_not_known_make_no_count():
    assert summarize(ASKED.drop("answer"), RECORDS, None, 12.0, 10.0)["correct"] is None


def test_votes_are_counted_by_question():
    # a is right, b is wrong, c has no vote, and nobody knows d's answer.
    counts = count_votes(ASKED, {"a": 7, "b": 3, "c": None, "d": 5})
    assert counts == {"by_vote": 3, "by_fallback": 1, "right_by_vote": 1}


def test_full_votes_on_the_same_clock_stand_beside_the_contest_under_the_same_names():
    votes = FullVotes({"a": 7, "b": None, "c": None, "d": 5}, answered=3, seconds=9.5, tokens=80)
    report = summarize(ASKED, RECORDS, None, 12.0, 10.0, votes)
    assert report["full_vote_same_clock"] == {
        **{"answered": 3, "by_vote": 2, "by_fallback": 2, "right_by_vote": 1},
        **{"seconds": 9.5, "tokens": 80},
    }


@pytest.mark.parametrize(
    ("changes", "require_votes", "reason"),
    [
        ({"tokens": 0}, False, "no token was generated for any of 4 questions"),
        ({"errors": 4}, False, "every one of 4 questions ended in an error"),
        ({"by_vote": 0}, True, "kernel.require_votes"),
        ({"by_vote": 0}, False, None),
        ({"errors": 3}, True, None),
    ],
)
def test_a_contest_without_substance_is_told_from_one_that_was_hard(changes, require_votes, reason):
    found = find_emptiness(summarize(ASKED, RECORDS, None, 12.0, 10.0) | changes, require_votes)
    assert found is None if reason is None else reason in found


def test_tokens_without_a_vote_are_warned_of(caplog):
    report = summarize(ASKED, RECORDS, None, 12.0, 10.0) | {"by_vote": 0}
    require_substance(report, RECORDS, require_votes=False)
    assert "every answer is the fallback" in caplog.text


def test_the_first_error_of_the_journal_is_quoted():
    report = summarize(ASKED, RECORDS, None, 12.0, 10.0) | {"tokens": 0}
    with pytest.raises(EmptyContestError, match="the first error: EngineLostError: it died"):
        require_substance(report, RECORDS, require_votes=False)

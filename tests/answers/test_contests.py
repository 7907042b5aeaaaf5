"""Contest rules: range and modulus of the answers that may be voted for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.answers.contests import CONTESTS, contest_answer


@pytest.mark.parametrize(
    ("contest", "text", "answer"),
    [
        ("aimo1", "1{,}024", 24),
        ("aimo2", "1{,}024", None),
        ("aimo3", "1{,}024", 1024),
        ("aimo1", "-5", 995),
        ("aimo2", "-5", None),
        ("aimo2", "0", 0),
        ("aimo2", "999", 999),
        ("aimo2", "1000", None),
        ("aimo3", "99999", 99_999),
        ("aimo3", "100000", None),
        ("aimo2", "025", 25),
        ("aimo2", "x", None),
        ("aimo2", None, None),
    ],
)
def test_the_vote_follows_the_contest(contest: str, text: str | None, answer: int | None) -> None:
    assert contest_answer(text, CONTESTS[contest]) == answer


@settings(deadline=None)
@given(st.sampled_from(sorted(CONTESTS)), st.integers(-(10**7), 10**7))
def test_every_vote_lies_in_the_range(contest: str, value: int) -> None:
    profile = CONTESTS[contest]
    answer = contest_answer(str(value), profile)
    assert answer is None or profile.answer_range[0] <= answer <= profile.answer_range[1]


@pytest.mark.parametrize(("contest", "hours"), [("aimo1", 9), ("aimo2", 5), ("aimo3", 5)])
def test_fifty_questions_in_the_contests_hours(contest: str, hours: int) -> None:
    profile = CONTESTS[contest]
    assert (profile.name, profile.questions, profile.limit_seconds) == (contest, 50, hours * 3600)


# shared/KERNEL.md: calls after the first have 30 minutes in AIMO2 and nine hours in AIMO3; of AIMO1 none is known.
@pytest.mark.parametrize(("contest", "seconds"), [("aimo1", None), ("aimo2", 30 * 60), ("aimo3", 9 * 3600)])
def test_a_call_has_the_time_that_the_contests_gateway_gives_it(contest: str, seconds: float | None) -> None:
    assert CONTESTS[contest].call_seconds == seconds

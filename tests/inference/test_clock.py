"""The contest's clock: shares, bank, floor and the global deadline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.inference.clock import ClockRules, allot

RULES = ClockRules(limit_seconds=100.0, questions=10, most_shares=2.0, floor_share=0.25, reserve_share=0.0)


def test_share_is_time_left_by_questions_left() -> None:
    # 72 s for 6 questions.
    assert allot(RULES, elapsed=28.0, answered=4).target == 28.0 + 12.0


def test_deadline_is_some_shares_later() -> None:
    # Two shares of 12 s.
    assert allot(RULES, elapsed=28.0, answered=4).deadline == 28.0 + 24.0


def test_unused_time_raises_the_pace() -> None:
    # 4 questions were due 40 s and took 28 s: 12 s a question against 10 s.
    assert allot(RULES, elapsed=28.0, answered=4).pace == pytest.approx(1.2)


def test_pace_is_one_on_schedule() -> None:
    assert allot(RULES, elapsed=40.0, answered=4).pace == pytest.approx(1.0)


def test_reserve_is_not_given_out() -> None:
    rules = ClockRules(limit_seconds=100.0, questions=10, reserve_share=0.1)
    # 90 s for 10 questions.
    assert allot(rules, elapsed=0.0, answered=0).target == 9.0


def test_last_expected_question_leaves_half_to_an_unexpected_one() -> None:
    assert allot(RULES, elapsed=80.0, answered=9).target == 80.0 + 10.0


def test_more_questions_than_expected_still_get_time() -> None:
    assert allot(RULES, elapsed=90.0, answered=14).target == 90.0 + 5.0


def test_past_the_limit_answers_are_due_at_once() -> None:
    allotment = allot(RULES, elapsed=130.0, answered=7)
    assert (allotment.target, allotment.deadline) == (130.0, 130.0)


def test_far_behind_a_question_gets_the_floor() -> None:
    # 5 s for 10 questions would be 0.5 s; the floor is a quarter of 10 s.
    assert allot(RULES, elapsed=95.0, answered=0).target == pytest.approx(97.5)


@given(
    elapsed=st.floats(0, 200),
    answered=st.integers(0, 30),
    most_shares=st.floats(1, 5),
    floor_share=st.floats(0, 1),
)
def test_no_time_lies_past_the_limit(elapsed: float, answered: int, most_shares: float, floor_share: float) -> None:
    allotment = allot(ClockRules(100.0, 10, most_shares, floor_share, 0.05), elapsed, answered)
    assert elapsed <= allotment.target <= allotment.deadline + 1e-9
    assert allotment.deadline <= max(95.0, elapsed) + 1e-9


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10), st.floats(1, 5))
def test_every_question_gets_its_floor_whatever_the_others_use(used: list[float], most_shares: float) -> None:
    rules = ClockRules(100.0, 10, most_shares, 0.25, 0.0)
    elapsed = 0.0
    for answered, part in enumerate(used):
        allotment = allot(rules, elapsed, answered)
        assert allotment.deadline - elapsed >= 0.25 * rules.even_share - 1e-6
        elapsed += part * (allotment.deadline - elapsed)

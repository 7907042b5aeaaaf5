"""The contest's clock: shares, the bank and the global deadline."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.plan import History
from fastmath.policies.public import find_policies

RULES = ClockRules(limit_seconds=100.0, questions=10, reserve_share=0.0)


def test_share_is_time_left_by_questions_left() -> None:
    # 72 s for 6 questions.
    assert tell_time(RULES, elapsed=28.0, answered=4).share == 12.0


def test_even_share_is_what_a_question_would_have_had_from_the_start() -> None:
    assert tell_time(RULES, elapsed=28.0, answered=4).even_share == 10.0


def test_reserve_is_not_given_out() -> None:
    # 90 s for 10 questions.
    assert tell_time(ClockRules(100.0, 10, reserve_share=0.1), elapsed=0.0, answered=0).share == 9.0


def test_a_question_gets_what_it_asks_for_while_there_is_so_much() -> None:
    assert tell_time(RULES, elapsed=28.0, answered=4).allot(30.0).deadline == 58.0


def test_target_is_the_even_share_of_what_is_left() -> None:
    assert tell_time(RULES, elapsed=28.0, answered=4).allot(30.0).target == 40.0


def test_a_question_gets_no_more_than_is_left() -> None:
    assert tell_time(RULES, elapsed=28.0, answered=4).allot(math.inf).deadline == 100.0


def test_last_expected_question_leaves_half_to_an_unexpected_one() -> None:
    assert tell_time(RULES, elapsed=80.0, answered=9).share == 10.0


def test_where_no_more_can_come_the_last_question_gets_all() -> None:
    assert tell_time(ClockRules(100.0, 10, 0.0, spare_questions=0), elapsed=80.0, answered=9).share == 20.0


def test_more_questions_than_expected_still_get_time() -> None:
    assert tell_time(RULES, elapsed=90.0, answered=14).share == 5.0


def test_past_the_limit_answers_are_due_at_once() -> None:
    allotment = tell_time(RULES, elapsed=130.0, answered=7).allot(10.0)
    assert (allotment.target, allotment.deadline) == (130.0, 130.0)


def test_without_a_limit_nothing_is_ever_due() -> None:
    allotment = tell_time(ClockRules(math.inf, 10), elapsed=5.0, answered=3).allot(math.inf)
    assert allotment.deadline == math.inf


@given(elapsed=st.floats(0, 200), answered=st.integers(0, 30), seconds=st.floats(0, 500))
def test_no_time_lies_past_the_limit(elapsed: float, answered: int, seconds: float) -> None:
    allotment = tell_time(ClockRules(100.0, 10, 0.05), elapsed, answered).allot(seconds)
    assert elapsed <= allotment.target <= allotment.deadline + 1e-9
    assert allotment.deadline <= max(95.0, elapsed) + 1e-9


# Of 1,800 s for a call a question may use 0.9: 1,620 s.
AIMO2 = ClockRules(limit_seconds=17_700.0, questions=50, reserve_share=0.0, call_seconds=1800.0)


def test_no_question_gets_more_than_nine_tenths_of_a_call() -> None:
    # 9,700 s for 15 questions: a share of 647 s, and the policy asks for five of them.
    time = tell_time(AIMO2, elapsed=8000.0, answered=35)
    assert time.allot(5 * time.share).deadline == 8000.0 + 1620.0


def test_a_share_that_a_call_cannot_hold_is_cut_to_it() -> None:
    # 7,700 s for 3 questions would be 2,567 s each.
    assert tell_time(AIMO2, elapsed=10_000.0, answered=47).share == 1620.0


def test_a_contest_without_a_limit_of_its_own_still_limits_a_call() -> None:
    time = tell_time(ClockRules(math.inf, 10, call_seconds=1800.0), elapsed=5.0, answered=3)
    assert (time.share, time.allot(math.inf).deadline) == (math.inf, 1625.0)


@given(
    elapsed=st.floats(0, 20_000),
    answered=st.integers(0, 60),
    history=st.builds(History, st.integers(0, 50), st.floats(0, 1e5)),
    name=st.sampled_from(sorted(find_policies())),
)
def test_no_policy_plans_a_call_longer_than_the_gateway_allows(
    elapsed: float, answered: int, history: History, name: str
) -> None:
    plan = find_policies()[name].plan(tell_time(AIMO2, elapsed, answered), 16, 24.0, history)
    assert plan.allotment.deadline - elapsed <= 1620.0 + 1e-6

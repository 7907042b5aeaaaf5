"""Policies: what the kernel's own one asks for at which pace, and where the public ones stop and how long they wait."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.policies.adaptive import AdaptivePolicy, LeadStep, load_schedule
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.plan import History, Outcome, Patience
from fastmath.policies.public import PUBLIC, find_policies
from fastmath.policies.voting import Ballot, Vote

# Pace: 1.0 is prior_pace, and what is not named is easy to compute with.
SCHEDULE = replace(
    load_schedule(),
    pace=(1.0, 4.0),
    patient=(0.0, 0.5),
    lapsed=(1.0, 3.0),
    longest=(8.0, 2.0),
    second_wave=(0.5, 1.0),
    floor_share=0.0,
    batch_divisor=4.0,
    batch_growth=2.0,
    batch_pace=1.0,
    prior_pace=1.0,
    prior_weight=1.0,
    leads=(LeadStep(0.6, 4, 3, 10), LeadStep(0.0, 6, 5, 16)),
    opening_prior=0.7,
    opening_weight=2.0,
)
POLICY = AdaptivePolicy(SCHEDULE)
FIFTY = tell_time(ClockRules(500.0, 50, 0.0, 0), 0.0, 0)  # shares of 10 s
UNLIMITED = tell_time(ClockRules(math.inf, 50, 0.0, 0), 0.0, 0)


def ballot_of(*answers: int | None) -> Ballot:
    ballot = Ballot()
    for answer in answers:
        ballot.add(None if answer is None else Vote(answer))
    return ballot


def test_the_first_question_is_planned_at_the_prior_pace() -> None:
    # Slowdown 24 / 4 = 6 samples at a pace of 1; eight shares of 10 s.
    plan = POLICY.plan(FIFTY, 16, 24.0, History())
    assert (plan.first, plan.second, plan.allotment.deadline) == (6, 10, 80.0)


def test_quick_first_votes_raise_the_pace() -> None:
    # Waits of 10 s (prior) and 2.5 s seven times: a mean of 27.5 / 8 = 3.44 s, a pace of 2.91; 6 * 2.91 ** 2 > 16.
    plan = POLICY.plan(FIFTY, 16, 24.0, History(first_votes=7, seconds_to_first_votes=17.5))
    assert (plan.first, plan.second) == (16, 0)


def test_time_spent_without_a_vote_lowers_the_pace() -> None:
    history = History().add(Outcome(seconds=30.0, first_vote_seconds=None, opening=None))
    assert history.seconds_to_first_votes == 30.0
    assert history.first_votes == 0


def test_a_schedule_is_interpolated_in_the_logarithm() -> None:
    # Pace 2 is half of the way from 1 to 4.
    assert SCHEDULE.at((2.0, 6.0), 2.0) == pytest.approx(4.0)


@given(st.floats(1e-6, 1e6))
def test_a_schedule_stays_between_its_values(pace: float) -> None:
    assert 2.0 - 1e-9 <= SCHEDULE.at((2.0, 6.0), pace) <= 6.0 + 1e-9


def test_with_unlimited_time_all_samples_start_and_nothing_is_due() -> None:
    plan = POLICY.plan(UNLIMITED, 16, math.inf, History())
    assert (plan.first, plan.allotment.deadline, plan.patience.answer_at(0.9)) == (16, math.inf, math.inf)


def test_a_lead_of_three_decides_where_first_votes_agree() -> None:
    plan = POLICY.plan(UNLIMITED, 16, 24.0, History(openings=10, unanimous=9))
    assert plan.stop(ballot_of(7, 7, 3, 7, 7)) == "lead"
    assert plan.stop(ballot_of(7, 7, 3, 7)) is None


def test_a_larger_lead_is_asked_for_where_first_votes_scatter() -> None:
    # (2 + 0.7 * 2) / (10 + 2) = 0.28 is below 0.6.
    plan = POLICY.plan(UNLIMITED, 16, 24.0, History(openings=10, unanimous=2))
    assert plan.stop(ballot_of(7, 7, 7)) is None
    assert plan.stop(ballot_of(7, 7, 7, 7, 7)) == "lead"


def test_on_the_clock_a_larger_lead_decides_than_without_one() -> None:
    plan = POLICY.plan(FIFTY, 16, 24.0, History(openings=10, unanimous=9))
    assert plan.stop(ballot_of(7, 7, 7)) is None
    assert plan.stop(ballot_of(7, 7, 7, 7)) == "lead"


def test_ten_votes_with_a_leader_decide() -> None:
    plan = POLICY.plan(UNLIMITED, 16, 24.0, History(openings=10, unanimous=9))
    assert plan.stop(ballot_of(*[7, 3, 5, 2] * 2, 7, 3)) is None
    assert plan.stop(ballot_of(*[7, 3, 5, 2] * 2, 7)) is None
    assert plan.stop(ballot_of(*[7, 3, 5, 2] * 2, 7, 1)) == "most votes"


def test_certainty_falls_with_time() -> None:
    # From 5 s to 10 s it falls from 0.85 to 0.5; one vote gives 0.75: 5 + 5 * 0.10 / 0.35 = 6.43 s.
    assert Patience(0.85, 5.0, 10.0).answer_at(0.75) == pytest.approx(6.43, abs=0.01)


def test_a_tie_is_never_answered_for_its_age() -> None:
    assert Patience(0.85, 5.0, 10.0).answer_at(0.5) == math.inf


def test_the_schedule_that_travels_with_the_package_is_whole() -> None:
    schedule = load_schedule()
    rows = (schedule.patient, schedule.lapsed, schedule.longest, schedule.second_wave)
    assert {len(row) for row in rows} == {len(schedule.pace)}
    assert list(schedule.pace) == sorted(schedule.pace)
    assert schedule.leads[-1].agreement == 0.0


@given(st.integers(0, 60), st.floats(0, 600), st.floats(0.01, 1e4), st.integers(0, 60))
def test_no_policy_plans_past_the_limit_or_without_a_sample(
    answered: int, elapsed: float, waited: float, voted: int
) -> None:
    time = tell_time(ClockRules(500.0, 50), elapsed, answered)
    for policy in find_policies().values():
        plan = policy.plan(time, 16, 24.0, History(voted, waited, voted, voted // 2))
        assert 1 <= plan.first <= 16
        assert plan.first + plan.second <= 16
        assert elapsed <= plan.allotment.deadline <= max(485.0, elapsed) + 1e-6


@pytest.mark.parametrize(
    ("name", "stops", "goes_on"),
    [
        ("nemoskills", [7, 3, 7, 7, 7], [7, 3, 7, 7]),
        ("agree-35-percent", [7] * 6, [7] * 5),
        ("aimo3", [7, 3, 7, 7, 7], [7, 3, 7, 7]),
        ("imagination", [7, 7, 7, 7], [7, 7, 7]),
        ("imagination", [1, 7, 7, 7, 7], [1, 2, 7, 7, 7]),
        ("imagination", [1, 2, 3] * 3 + [1], [1, 2, 3] * 3),
        ("esc", [1, 2, 3, 4, 7, 7, 7, 7], [1, 7, 7, 7, 7]),
        ("adaptive-consistency", [7] * 4, [7] * 3),  # 1 - 1/2^5 = 0.969 and 1 - 1/2^4 = 0.9375
        ("short-3", [7, 3, 5], [7, 7]),
        ("full", None, [7] * 15),
    ],
)
def test_public_rules_stop_where_their_sources_say(name: str, stops: list[int] | None, goes_on: list[int]) -> None:
    stop = PUBLIC[name].plan(FIFTY, 16, 24.0, History()).stop
    assert stop(ballot_of(*goes_on)) is None
    assert stops is None or stop(ballot_of(*stops)) is not None


@pytest.mark.parametrize(
    ("name", "elapsed", "seconds"),
    [
        ("full", 0.0, 10.0),
        # 8.5 s, and 75 s of a bank (500 - 50 * 8.5) of which 1.4 shares in all may be drawn.
        ("nemoskills", 0.0, 14.0),
        # Behind: 200 s for 50 leave no bank.
        ("nemoskills", 300.0, 8.5),
        # 500 - 8 * 49 = 108 s, at most 28.
        ("aimo3", 0.0, 28.0),
        ("aimo3", 300.0, 8.0),
        ("imagination", 0.0, 10.0),
        ("agree-35-percent", 0.0, 480 / 360 * 10.0),
        ("huikang", 0.0, 10.0),
        ("two-lines-6", 0.0, 30.0),
    ],
)
def test_public_rules_wait_as_long_as_their_sources_say(name: str, elapsed: float, seconds: float) -> None:
    allotment = PUBLIC[name].plan(tell_time(ClockRules(500.0, 50, 0.0, 0), elapsed, 0), 16, 24.0, History()).allotment
    assert allotment.deadline - elapsed == pytest.approx(seconds)


def test_two_thirds_of_the_samples_start_behind_a_cutoff() -> None:
    behind = tell_time(ClockRules(500.0, 50, 0.0, 0), 300.0, 10)
    assert PUBLIC["huikang"].plan(behind, 16, 24.0, History()).first == 10

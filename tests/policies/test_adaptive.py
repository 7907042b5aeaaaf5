"""Policies: what the kernel's own one asks for at which pace, and where the public ones stop and how long they wait."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.policies.adaptive import AdaptivePolicy, Schedule, expected_wait, load_schedule
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.plan import History, Outcome, Patience
from fastmath.policies.public import PUBLIC, find_policies
from fastmath.policies.voting import Ballot, Vote

SCHEDULE = Schedule(risk=0.04, patience=1.2, first_wave=0.25, give_up=2.5)
POLICY = AdaptivePolicy(SCHEDULE)
FIFTY = tell_time(ClockRules(500.0, 50, 0.0, 0), 0.0, 0)  # shares of 10 s
UNLIMITED = tell_time(ClockRules(math.inf, 50, 0.0, 0), 0.0, 0)


def ballot_of(*answers: int | None) -> Ballot:
    ballot = Ballot()
    for answer in answers:
        ballot.add(None if answer is None else Vote(answer))
    return ballot


def test_the_first_question_is_planned_at_a_pace_of_one() -> None:
    # 0.25 * 24 = 6 samples; a share and a wait of 10 s, 2.5 times.
    plan = POLICY.plan(FIFTY, 16, 24.0, History())
    assert (plan.first, plan.second, plan.allotment.deadline) == (6, 10, 25.0)
    assert plan.patience == Patience(0.0, pytest.approx(12.0))


def test_quick_first_votes_raise_the_pace() -> None:
    # Waits of 10 s, expected, and 2.5 s nine times: a mean of 32.5 / 10 = 3.25 s, a pace of 3.08; 6 * 3.08 ** 2 > 16.
    history = History(first_votes=9, seconds_to_first_votes=22.5)
    plan = POLICY.plan(FIFTY, 16, 24.0, history)
    assert (expected_wait(FIFTY, history), plan.first, plan.second) == (3.25, 16, 0)
    # From a pace of 3 on the time no longer grows: 1.2 * 3 ** 1.5 * 10 s, and 2.5 * 3 * 10 s.
    assert (plan.patience.lapse, plan.allotment.deadline) == (pytest.approx(62.3538, rel=1e-5), pytest.approx(75.0))


def test_slow_first_votes_leave_no_patience_but_time_for_a_vote() -> None:
    # Waits of 10 s, expected, and 30 s three times: 25 s, a pace of 0.4; 1.2 * 0.4 ** 1.5 * 10 s, and 2.5 waits.
    plan = POLICY.plan(FIFTY, 16, 24.0, History(first_votes=3, seconds_to_first_votes=90.0))
    assert (plan.first, plan.patience.lapse, plan.allotment.deadline) == (6, pytest.approx(3.0358, rel=1e-4), 62.5)


def test_time_spent_without_a_vote_lowers_the_pace() -> None:
    history = History().add(Outcome(seconds=30.0, first_vote_seconds=None))
    assert history == History(first_votes=0, seconds_to_first_votes=30.0)
    assert expected_wait(FIFTY, history) == 40.0


def test_with_unlimited_time_all_samples_start_and_nothing_is_due() -> None:
    plan = POLICY.plan(UNLIMITED, 16, math.inf, History())
    assert (plan.first, plan.allotment.deadline, plan.patience.answer_at(0.9)) == (16, math.inf, math.inf)


def test_a_measured_slowdown_takes_the_place_of_the_recipes() -> None:
    # 0.25 * 40 = 10 samples.
    assert AdaptivePolicy(replace(SCHEDULE, slowdown=40.0)).plan(FIFTY, 16, 24.0, History()).first == 10


@given(st.floats(0.01, 100.0), st.floats(1.0, 2.0), st.floats(1.0, 100.0))
def test_more_time_never_means_fewer_samples_or_less_patience(wait: float, more: float, slowdown: float) -> None:
    history = History(first_votes=49, seconds_to_first_votes=49 * wait)
    short, long = (tell_time(ClockRules(500.0 * factor, 50, 0.0, 0), 0.0, 0) for factor in (1.0, more))
    less, much = (POLICY.plan(time, 16, slowdown, history) for time in (short, long))
    assert less.first <= much.first
    assert less.patience.lapse <= much.patience.lapse * (1 + 1e-9)
    assert less.allotment.deadline <= much.allotment.deadline * (1 + 1e-9)


def test_a_leader_waits_the_less_the_likelier_it_stays_ahead() -> None:
    # 5 + 10 * 2 * (1 - 0.75) = 10 s, and 5 + 10 * 2 * (1 - 0.9375) = 6.25 s.
    assert [Patience(5.0, 10.0).answer_at(posterior) for posterior in (0.75, 0.9375)] == [10.0, 6.25]


def test_a_tie_is_never_answered_for_its_age() -> None:
    assert Patience(5.0, 10.0).answer_at(0.5) == math.inf


def test_the_schedule_that_travels_with_the_package_is_whole() -> None:
    assert load_schedule().slowdown is None


def test_a_schedule_says_who_made_it(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"made_by": "fastmath replay-fit"} | asdict(SCHEDULE)))
    assert load_schedule(path) == SCHEDULE


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[]", "it holds a list; want an object"),
        ("{", "Expecting property name"),
        ('{"risk": 0.1}', "has no 'patience'; want risk, patience, first_wave, give_up, slowdown"),
        ('{"risk": 0.1, "patience": 1, "first_wave": 1, "give_up": 1, "floor": 0}', "has the unknown 'floor'"),
        ('{"risk": 0, "patience": 1, "first_wave": 1, "give_up": 1}', "'risk' is 0; want a number above 0"),
        ('{"risk": 0.1, "patience": "1", "first_wave": 1, "give_up": 1}', "'patience' is '1'; want a number above 0"),
    ],
)
def test_what_is_no_schedule_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"schedule\.json is no schedule: .*{complaint}"):
        load_schedule(path)


def test_a_missing_schedule_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.json is no schedule: "):
        load_schedule(tmp_path / "nothing.json")


@given(st.integers(0, 60), st.floats(0, 600), st.floats(0.01, 1e4), st.integers(0, 60))
def test_no_policy_plans_past_the_limit_or_without_a_sample(
    answered: int, elapsed: float, waited: float, voted: int
) -> None:
    time = tell_time(ClockRules(500.0, 50), elapsed, answered)
    for policy in find_policies().values():
        plan = policy.plan(time, 16, 24.0, History(voted, waited))
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

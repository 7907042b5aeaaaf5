"""The solver: waves, stops and time, driven by hand."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.kernel.solver import (
    Abort,
    Answer,
    Event,
    Failed,
    Finished,
    Grew,
    Harvest,
    Solver,
    SolverRules,
    Start,
    TimePassed,
)
from fastmath.policies.clock import Allotment, ClockRules, tell_time
from fastmath.policies.plan import History, Patience, Plan
from helpers.fixed_policy import FixedPolicy

RULES = SolverRules(fallback_answer=5)
HARVESTING = SolverRules(5, harvest_seconds=2.0, harvest_weight=0.5)
# 30 s for two questions: a share of 15 s and, as each may take two, a deadline at 30 s.
PLAN = FixedPolicy().plan(tell_time(ClockRules(30.0, 2, 0.0, 0), 0.0, 0), 8, 24.0, History())


def begun(rules: SolverRules = RULES, plan: Plan = PLAN) -> Solver:
    solver = Solver(rules, plan)
    solver.begin(0.0)
    return solver


def play(solver: Solver, *events: tuple[Event, float]) -> list:
    return [action for event, now in events for action in solver.handle(event, now)]


def test_first_wave_starts_alone() -> None:
    assert Solver(RULES, PLAN).begin(0.0) == [Start((0, 1))]


def test_agreement_answers_at_once() -> None:
    solver = begun()
    # Two against none have the posterior 0.875.
    assert play(solver, (Finished(0, 40, 7), 1.0), (Finished(1, 50, 7), 2.0)) == [Answer(7, "posterior")]


def test_split_vote_starts_the_second_wave() -> None:
    assert play(begun(), (Finished(0, 40, 7), 1.0), (Finished(1, 50, 3), 2.0)) == [Start((2, 3, 4, 5, 6, 7))]


def test_split_vote_starts_nothing_when_it_is_late() -> None:
    # The second wave may start before 15 s.
    assert play(begun(), (Finished(0, 40, 7), 1.0), (Finished(1, 50, 3), 15.0)) == [Answer(7, "cannot be overtaken")]


def test_decision_aborts_what_still_runs() -> None:
    solver = begun(plan=replace(PLAN, stop=None, patience=None))
    for sample, answer in ((0, 7), (1, 3), (2, 7), (3, 7)):
        solver.handle(Finished(sample, 40, answer), 2.0)
    # Four to one, and the three that run could at most make it a tie, which goes to 7, given first.
    assert solver.handle(Finished(4, 40, 7), 3.0) == [Abort((5, 6, 7)), Answer(7, "cannot be overtaken")]


def test_samples_that_end_together_are_counted_before_patience_lapses() -> None:
    # Any leader is answered from 1 s on.
    plan = Plan(Allotment(0.0, 10.0, 30.0), first=3, patience=Patience(0.0, 1.0))
    solver = begun(plan=plan)
    assert play(solver, (Finished(0, 40, 3), 5.0), (Finished(1, 40, 7), 5.0), (Finished(2, 40, 7), 5.0)) == [
        Answer(7, "all samples")
    ]
    alone = begun(plan=plan)
    assert play(alone, (Finished(0, 40, 3), 5.0), (TimePassed(), 5.0)) == [Abort((1, 2)), Answer(3, "clock")]


def test_a_policy_stops_by_the_votes_alone() -> None:
    plan = Plan(Allotment(0.0, 10.0, 30.0), first=4, stop=lambda ballot: "two" if len(ballot.votes) == 2 else None)
    actions = play(begun(plan=plan), (Finished(0, 40, 7), 1.0), (Finished(1, 40, 3), 2.0))
    assert actions == [Abort((2, 3)), Answer(7, "two")]


def test_without_a_bound_every_sample_is_waited_for() -> None:
    solver = begun(plan=Plan(Allotment(0.0, 10.0, 30.0), first=2))
    assert solver.handle(Finished(0, 40, 7), 1.0) == []
    assert solver.handle(Finished(1, 40, 7), 2.0) == [Answer(7, "all samples")]


def test_sample_without_answer_casts_no_vote() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, None), 1.0)
    assert solver.votes == []


def test_samples_without_answers_are_replaced() -> None:
    assert play(begun(), (Finished(0, 40, None), 1.0), (Finished(1, 40, None), 2.0)) == [Start((2, 3, 4, 5, 6, 7))]


def test_a_leader_that_has_waited_long_enough_is_answered() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    # One vote has 0.75: 15 * 2 * (1 - 0.75) = 7.5 s.
    assert solver.next_wakeup == pytest.approx(7.5)
    assert solver.handle(TimePassed(), 7.6) == [Abort((1,)), Answer(7, "clock")]


def test_without_votes_the_deadline_answers_the_fallback() -> None:
    assert begun().handle(TimePassed(), 30.0) == [Abort((0, 1)), Answer(5, "deadline")]


def test_all_samples_failed_answers_the_fallback() -> None:
    solver = begun()
    actions = play(solver, *((Failed(sample, "engine dead"), 1.0) for sample in range(8)))
    assert actions[-1] == Answer(5, "no votes")


def test_lost_samples_are_started_again_half_as_many() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    solver.lose_samples()
    assert solver.begin(2.0) == [Start((2,))]


def lost_in_a_tie(now: float) -> Solver:
    """Two votes against two, and the four other samples are lost at the time `now`: two are owed in their place."""
    solver = begun(plan=replace(PLAN, first=8, second=0))
    play(solver, *((Finished(sample, 40, (7, 3)[sample % 2]), 1.0) for sample in range(4)))
    solver.lose_samples()
    assert solver.pause(now) is None
    return solver


@pytest.mark.parametrize("now", [2.0, 16.0])  # the second wave may start before 15 s
def test_an_owed_wave_is_started_before_a_tie_is_answered(now: float) -> None:
    assert lost_in_a_tie(now).begin(now) == [Start((8, 9))]


def test_owed_samples_may_overtake_a_leader() -> None:
    solver = begun(plan=replace(PLAN, first=7, second=0, stop=None, patience=None))
    play(solver, *((Finished(sample, 40, answer), 1.0) for sample, answer in enumerate((3, 7, 7))))
    solver.lose_samples()  # four, for which two are owed: 2 against 3 at worst
    assert solver.pause(16.0) is None


def test_a_leader_that_owed_samples_cannot_overtake_is_answered_without_them() -> None:
    solver = begun(plan=replace(PLAN, first=6, second=0, stop=None, patience=None))
    play(solver, *((Finished(sample, 40, answer), 1.0) for sample, answer in enumerate((7, 7, 3))))
    solver.lose_samples()  # three, for which one is owed: 2 against 2 at worst, and 7 was given first
    assert solver.pause(16.0) == Answer(7, "cannot be overtaken")


def test_without_an_engine_a_leader_that_has_waited_long_enough_is_answered() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    solver.lose_samples()
    # As with one: 15 * 2 * (1 - 0.75) = 7.5 s.
    assert solver.next_wakeup == pytest.approx(7.5)
    assert solver.pause(7.4) is None
    assert solver.pause(7.6) == Answer(7, "clock")


def test_without_an_engine_no_wave_and_no_harvest_begins() -> None:
    solver = Solver(HARVESTING, PLAN)
    assert solver.pause(0.0) is None
    assert solver.pause(29.0) is None
    assert solver.started == 0
    assert solver.pause(30.0) == Answer(5, "deadline")


def test_samples_lost_in_a_harvest_are_not_waited_for() -> None:
    solver = begun(HARVESTING, replace(PLAN, stop=None, patience=None))
    solver.handle(TimePassed(), 28.0)
    solver.lose_samples()
    assert solver.pause(28.1) == Answer(5, "no votes")


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.floats(0, 3)), max_size=30), st.floats(0, 30))
def test_a_pause_answers_what_an_engine_with_nothing_to_say_would_and_starts_nothing(
    script: list[tuple[int, bool, float]], wait: float
) -> None:
    solver, now = begun(), 0.0
    live = [0, 1]
    for answer, is_lost, pause in script:
        now += pause
        if is_lost:
            solver.lose_samples()
            live = [sample for action in solver.begin(now) if isinstance(action, Start) for sample in action.samples]
        elif live:
            actions = solver.handle(Finished(live.pop(0), 40, answer), now)
            live += [sample for action in actions if isinstance(action, Start) for sample in action.samples]
    solver.lose_samples()
    started = solver.started
    answered = solver.pause(now + wait)
    assert solver.started == started
    later = solver.pause(max(now + wait, solver.answer_due))
    assert later is not None
    assert answered in (None, later)


def test_tokens_of_aborted_samples_count() -> None:
    solver = begun()
    play(solver, (Finished(0, 40, 7), 1.0), (TimePassed(), 30.0), (Grew(1, 33), 30.1))
    assert sum(solver.tokens.values()) == 73


def test_vote_after_the_answer_does_not_count() -> None:
    solver = begun()
    play(solver, (TimePassed(), 30.0), (Finished(0, 40, 7), 30.1))
    assert solver.votes == []


def test_outcome_tells_when_the_first_vote_came() -> None:
    plan = Plan(Allotment(10.0, 20.0, 40.0), first=3)
    solver = Solver(RULES, plan)
    solver.begin(10.0)
    play(solver, *((Finished(sample, 40, 7), 12.0 + sample) for sample in range(3)))
    outcome = solver.outcome(14.0)
    assert (outcome.seconds, outcome.first_vote_seconds) == (4.0, 2.0)


def test_a_leader_is_answered_once_it_is_unlikely_to_be_overtaken() -> None:
    solver = begun(plan=Plan(Allotment(0.0, 10.0, 30.0), first=8, risk=0.01))
    # Two against none, six to come: five or six of them for another, 0.048.
    assert play(solver, (Finished(0, 40, 7), 1.0), (Finished(1, 40, 7), 1.0)) == []
    # Three against none, five to come: all of them, 1/5 * 2/6 * 3/7 * 4/8 * 5/9 = 1/126.
    assert solver.handle(Finished(2, 40, 7), 2.0)[-1] == Answer(7, "unlikely to be overtaken")


def test_before_the_deadline_live_samples_are_harvested_once() -> None:
    solver = begun(HARVESTING)
    assert solver.handle(TimePassed(), 28.0) == [Harvest((0, 1))]
    assert solver.handle(TimePassed(), 28.5) == []


def test_a_question_shorter_than_a_harvest_is_not_harvested() -> None:
    solver = begun(HARVESTING, Plan(Allotment(0.0, 1.0, 1.5), first=2))
    assert solver.handle(TimePassed(), 0.5) == []
    assert solver.handle(TimePassed(), 1.5) == [Abort((0, 1)), Answer(5, "deadline")]


def test_the_solver_wakes_for_the_harvest() -> None:
    assert begun(HARVESTING).next_wakeup == 28.0


def test_harvested_votes_decide_by_their_lower_weight() -> None:
    solver = begun(HARVESTING, replace(PLAN, stop=None, patience=None))
    solver.handle(TimePassed(), 28.0)
    # One vote of 0.5 against 0.5 at most that is still to come, which would lose the tie.
    assert solver.handle(Finished(0, 50, 7, "harvested"), 28.1) == [Abort((1,)), Answer(7, "cannot be overtaken")]


def test_the_stop_rule_counts_weights_as_the_vote_does() -> None:
    solver = begun(SolverRules(5, harvest_weight=0.25), Plan(Allotment(0.0, 10.0, 30.0), first=2, risk=0.0))
    # 0.25 leads, and one vote is pending; then 1 leads 0.25 and nothing is.
    assert solver.handle(Finished(0, 40, 3, "harvested"), 1.0) == []
    assert solver.handle(Finished(1, 40, 7), 2.0) == [Answer(7, "cannot be overtaken")]


event_kinds = st.sampled_from(["finish", "empty", "fail", "time"])


@given(st.lists(st.tuples(event_kinds, st.integers(0, 7), st.integers(0, 2), st.floats(0, 3)), max_size=40))
def test_every_sequence_of_events_ends_in_exactly_one_answer(
    script: list[tuple[str, int, int, float]],
) -> None:
    solver, now = Solver(RULES, PLAN), 0.0
    actions = solver.begin(now)
    live = set(actions[0].samples)
    for kind, pick, answer, wait in script:
        now += wait
        sample = sorted(live)[pick % len(live)] if live else None
        if kind == "time" or sample is None:
            event = TimePassed()
        else:
            live.discard(sample)
            event = Failed(sample, "x") if kind == "fail" else Finished(sample, 1, None if kind == "empty" else answer)
        new = solver.handle(event, now)
        for action in new:
            if isinstance(action, Start):
                assert not live & set(action.samples)
                live |= set(action.samples)
            if isinstance(action, Abort):
                assert set(action.samples) == live
                live.clear()
        actions += new
    actions += solver.handle(TimePassed(), math.inf)
    assert [type(action) for action in actions].count(Answer) == 1

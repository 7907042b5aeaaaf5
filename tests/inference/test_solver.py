"""The solver: waves, stops and time, driven by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.inference.clock import Allotment
from fastmath.inference.solver import (
    Abort,
    Answer,
    Failed,
    Finished,
    Grew,
    Harvest,
    Solver,
    SolverRules,
    Start,
    TimePassed,
    certainty_asked,
    time_to_answer,
)

RULES = SolverRules(waves=(2, 2, 4), stop_posterior=0.85, patience=0.5, fallback_answer=5)
ALLOTMENT = Allotment(start=0.0, target=10.0, deadline=30.0, pace=1.0)


def begun() -> Solver:
    solver = Solver(RULES, ALLOTMENT)
    solver.begin(0.0)
    return solver


def test_first_wave_starts_alone() -> None:
    assert Solver(RULES, ALLOTMENT).begin(0.0) == [Start((0, 1))]


def test_waves_that_cannot_decide_alone_start_together() -> None:
    # 0.95 wants four votes: 1 - (1/2)^5 = 0.97, where two give 0.875.
    rules = SolverRules((2, 2, 4), 0.95, 0.5, 0)
    assert Solver(rules, ALLOTMENT).begin(0.0) == [Start((0, 1, 2, 3))]


def test_agreement_answers_at_once() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    assert solver.handle(Finished(1, 50, 7), 2.0) == [Answer(7, "posterior")]


def test_split_vote_starts_the_next_wave() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    assert solver.handle(Finished(1, 50, 3), 2.0) == [Start((2, 3, 4, 5, 6, 7))]


def test_decision_aborts_what_still_runs() -> None:
    solver = begun()
    for sample, answer in ((0, 7), (1, 3), (2, 7), (3, 7)):
        solver.handle(Finished(sample, 40, answer), 2.0)
    # Four to one, and the three that run could at most make it a tie, which goes to 7, given first.
    assert solver.handle(Finished(4, 40, 7), 3.0) == [Abort((5, 6, 7)), Answer(7, "cannot be overtaken")]


def test_sample_without_answer_casts_no_vote() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, None), 1.0)
    assert solver.votes == []


def test_sample_without_answer_is_replaced_while_there_is_time() -> None:
    assert begun().handle(Finished(0, 40, None), 1.0) == [Start((2, 3))]


def test_past_the_target_a_leader_is_answered() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    assert solver.handle(TimePassed(), 10.0) == [Abort((1,)), Answer(7, "clock")]


def test_past_the_target_no_wave_starts_while_samples_run() -> None:
    assert begun().handle(Failed(0, "out of memory"), 11.0) == []


def test_without_votes_the_deadline_answers_the_fallback() -> None:
    assert begun().handle(TimePassed(), 30.0) == [Abort((0, 1)), Answer(5, "deadline")]


def test_all_samples_failed_answers_the_fallback() -> None:
    solver = begun()
    actions = [solver.handle(Failed(sample, "engine dead"), 1.0) for sample in range(8)]
    assert actions[-1] == [Answer(5, "no votes")]


def test_certainty_falls_with_time() -> None:
    # From 5 s to 10 s it falls from 0.85 to 0.5; one vote gives 0.75: 5 + 5 * 0.10 / 0.35 = 6.43 s.
    assert round(time_to_answer(0.75, RULES, ALLOTMENT), 2) == 6.43


def test_certainty_asked_falls_behind_schedule() -> None:
    # Pace 0.875 is half of the way from 1 to 0.75: 0.5 + 0.35 / 2.
    assert certainty_asked(RULES, pace=0.875) == pytest.approx(0.675)


def test_far_behind_schedule_the_first_vote_is_answered() -> None:
    solver = Solver(RULES, Allotment(start=0.0, target=10.0, deadline=30.0, pace=0.7))
    solver.begin(0.0)
    assert solver.handle(Finished(0, 40, 7), 1.0) == [Abort((1,)), Answer(7, "clock")]


def test_tokens_of_aborted_samples_count() -> None:
    solver = begun()
    solver.handle(Finished(0, 40, 7), 1.0)
    solver.handle(TimePassed(), 10.0)
    solver.handle(Grew(1, 33), 10.1)
    assert sum(solver.tokens.values()) == 73


def test_vote_after_the_answer_does_not_count() -> None:
    solver = begun()
    solver.handle(TimePassed(), 30.0)
    solver.handle(Finished(0, 40, 7), 30.1)
    assert solver.votes == []


HARVESTING = SolverRules((2, 2, 4), 0.85, 0.5, 5, harvest_seconds=2.0, harvest_weight=0.5)


def test_before_the_deadline_live_samples_are_harvested_once() -> None:
    solver = Solver(HARVESTING, ALLOTMENT)
    solver.begin(0.0)
    assert solver.handle(TimePassed(), 28.0) == [Harvest((0, 1))]
    assert solver.handle(TimePassed(), 28.5) == []


def test_a_question_shorter_than_a_harvest_is_not_harvested() -> None:
    solver = Solver(HARVESTING, Allotment(start=0.0, target=1.0, deadline=1.5, pace=0.1))
    solver.begin(0.0)
    assert solver.handle(TimePassed(), 0.5) == []
    assert solver.handle(TimePassed(), 1.5) == [Abort((0, 1)), Answer(5, "deadline")]


def test_the_solver_wakes_for_the_harvest() -> None:
    solver = Solver(HARVESTING, ALLOTMENT)
    solver.begin(0.0)
    assert solver.next_wakeup == 28.0


def test_harvested_votes_decide_by_their_lower_weight() -> None:
    solver = Solver(HARVESTING, ALLOTMENT)
    solver.begin(0.0)
    solver.handle(TimePassed(), 28.0)
    # One vote of 0.5 against 0.5 at most that is still to come, which would lose the tie.
    assert solver.handle(Finished(0, 50, 7, "harvested"), 28.1) == [Abort((1,)), Answer(7, "cannot be overtaken")]


def test_a_trace_said_twice_weighs_what_the_rules_say() -> None:
    solver = Solver(SolverRules((2, 2, 4), 0.99, 0.5, 5, repeat_weight=0.25), ALLOTMENT)
    solver.begin(0.0)
    for sample in (0, 1):
        solver.handle(Finished(sample, 40, 7, trace=1), 1.0)
    assert solver.tally == {7: 1.25}


def test_the_stop_rule_counts_weights_as_the_vote_does() -> None:
    # 1.0 against 0.25 has a posterior below that of one vote against none, 0.75, though two of two have answered.
    solver = Solver(SolverRules((2,), 0.9, 1.0, 5, cut_weight=0.25), ALLOTMENT)
    solver.begin(0.0)
    solver.handle(Finished(0, 40, 3, "cut"), 1.0)
    assert solver.handle(Finished(1, 40, 7), 2.0) == [Answer(7, "cannot be overtaken")]


event_kinds = st.sampled_from(["finish", "empty", "fail", "time"])


@given(st.lists(st.tuples(event_kinds, st.integers(0, 7), st.integers(0, 2), st.floats(0, 3)), max_size=40))
def test_every_sequence_of_events_ends_in_exactly_one_answer(
    script: list[tuple[str, int, int, float]],
) -> None:
    solver, now = Solver(RULES, ALLOTMENT), 0.0
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
    actions += solver.handle(TimePassed(), 30.0)
    assert [type(action) for action in actions].count(Answer) == 1

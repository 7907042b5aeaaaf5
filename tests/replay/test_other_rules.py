"""What other rules would have done with a question."""

import math

from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.public import PUBLIC, find_policies
from fastmath.replay.other_rules import choose_rules, replay_rule
from fastmath.replay.votes import RecordedSample, Recording

QUESTION = Recording("q", "m", 7, tuple(RecordedSample(tokens, answer) for tokens, answer in
                     [(10, 7), (20, 4), (30, 7), (40, 7), (50, 7), (60, None)]))  # fmt: skip
UNLIMITED = tell_time(ClockRules(math.inf, 1), 0.0, 0)


def test_a_rule_stops_where_its_votes_agree() -> None:
    # Six samples run side by side; the fourth 7 comes at step 50: 10 + 20 + 30 + 40 + 50 + 50 tokens.
    found = replay_rule("agree-4", PUBLIC["agree-4"], QUESTION, UNLIMITED, 16, 24.0)
    assert (found.answer, found.reason, found.samples, found.votes, found.tokens, found.steps) == (
        7, "agreement", 6, 5, 200, 50,
    )  # fmt: skip


def test_a_rule_has_no_more_time_than_the_contest_had_left() -> None:
    # A single question of 15 virtual seconds: six samples take 1 + 6/24 a step, so that one has ended by then.
    time = tell_time(ClockRules(15.0, 1, reserve_share=0.0, spare_questions=0), 0.0, 0)
    found = replay_rule("full", PUBLIC["full"], QUESTION, time, 16, 24.0)
    assert (found.answer, found.reason, found.votes, found.steps) == (7, "deadline", 1, 12)


def test_without_a_vote_there_is_no_answer() -> None:
    silent = Recording("q", "m", 7, (RecordedSample(10, None),))
    assert replay_rule("full", PUBLIC["full"], silent, UNLIMITED, 16, 24.0).answer is None


def test_the_contest_s_own_rule_is_not_among_the_others() -> None:
    policies = find_policies()
    assert list(choose_rules(policies, "default")) == ["full", "nemoskills", "aimo3"]
    assert list(choose_rules(policies, "aimo3")) == ["full", "nemoskills", "default"]

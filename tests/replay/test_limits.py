"""Replays over limits: what counts as right, what every rule is given, and what a nano run's votes show."""

import dataclasses
import gzip
import json

import pytest

from fastmath.policies.public import find_policies
from fastmath.replay.limits import UNLIMITED, LimitReplay, LimitSetting, make_contests, replay_limits
from fastmath.replay.votes import RecordedSample, Recording, VotesFileError, read_votes
from helpers.files import FIXTURES


def question(name: str, *samples: tuple[int, int | None], gold: int = 7) -> Recording:
    return Recording(name, "m", gold, tuple(RecordedSample(*sample) for sample in samples))


EQUAL = [question(f"q{index}", *[(10, 7)] * 4) for index in range(8)]
"""Problems whose four samples of ten tokens are all right."""
SETTING = LimitSetting(questions=4, samples=4, slowdown=4.0, limits=(0.5, 1.0), contests=4)


@pytest.fixture(scope="module")
def equal() -> LimitReplay:
    return replay_limits(EQUAL, SETTING)


def test_a_full_vote_that_is_cut_off_before_its_first_end_has_no_vote(equal: LimitReplay) -> None:
    # Four samples take 10 * (1 + 4/4) = 20 s a question; half of it ends before any of them does.
    point = equal.rules["full"][0]
    assert (point.right.value, point.by_vote) == (0.0, 0.0)


def test_with_all_of_its_time_the_full_vote_is_as_right_as_without_a_clock(equal: LimitReplay) -> None:
    assert equal.rules["full"][1].right.value == equal.unlimited.value == 4.0


def test_fewer_samples_side_by_side_have_their_first_vote_sooner(equal: LimitReplay) -> None:
    # The kernel starts two samples: 10 * (1 + 2/4) = 15 s. Of 4 * 20 / 2 = 40 s that is enough for two of four.
    assert equal.rules["default"][0].right.value == 2.0


def test_tokens_are_a_share_of_those_of_full_votes(equal: LimitReplay) -> None:
    # A cut full vote has made 20 / 2 / (1 + 4/4) = 5 of 10 steps.
    assert [point.tokens_share for point in equal.rules["full"]] == [0.5, 1.0]


def test_gains_are_the_kernel_s_right_answers_less_the_other_rule_s(equal: LimitReplay) -> None:
    assert [gain.value for gain in equal.gains["full"]] == [2.0, 0.0]
    assert [gain.value for gain in equal.gains[UNLIMITED]] == [-2.0, 0.0]


def test_a_fallback_is_never_right() -> None:
    # The gold answer is the one that stands for no answer in a replay.
    replay = replay_limits([question(f"q{index}", *[(10, None)] * 4, gold=0) for index in range(4)], SETTING)
    assert (replay.unlimited.value, replay.rules["default"][1].by_vote) == (0.0, 0.0)


def test_the_recipe_s_rule_comes_first_and_once() -> None:
    replay = replay_limits(EQUAL, dataclasses.replace(SETTING, rule="aimo3"))
    assert list(replay.rules) == ["aimo3", "full", "nemoskills"]


def test_a_rule_from_outside_is_replayed_by_its_import_path() -> None:
    replay = replay_limits(EQUAL, dataclasses.replace(SETTING, rule="my_rules:Mine"), find_policies()["default"])
    assert next(iter(replay.rules)) == "my_rules:Mine"
    assert replay.rules["my_rules:Mine"][0].right.value == 2.0  # as the default above


def test_the_full_vote_may_be_the_recipe_s_own_rule() -> None:
    replay = replay_limits(EQUAL, dataclasses.replace(SETTING, rule="full"))
    assert (next(iter(replay.rules)), "full" in replay.gains) == ("full", False)


@pytest.mark.parametrize(("problems", "questions", "contests"), [(8, 4, 4), (3, 50, 2), (9, 2, 1)])
def test_every_problem_is_asked_and_as_often_as_the_others(problems: int, questions: int, contests: int) -> None:
    recordings = [question(f"q{index}", (10, 7)) for index in range(problems)]
    made = make_contests(recordings, LimitSetting(questions=questions, samples=1, contests=contests))
    asked = [place for contest in made for place in contest.places]
    counts = [asked.count(place) for place in range(problems)]
    assert {len(contest.questions) for contest in made} == {questions}
    assert 1 <= min(counts) <= max(counts) <= min(counts) + 1


def test_too_few_samples_are_refused_with_both_ways_out() -> None:
    told = (
        r"question q0 of m has 4 recorded samples, and a question of the contest may take 16; record as many "
        r"\(`evaluate.samples: 16`\), or let the contest take fewer \(`kernel.samples: 4`\)"
    )
    with pytest.raises(VotesFileError, match=told):
        replay_limits(EQUAL, LimitSetting())


def test_no_problems_are_refused() -> None:
    with pytest.raises(VotesFileError, match="no recorded problems"):
        replay_limits([], SETTING)


def test_a_replay_goes_into_a_report(equal: LimitReplay) -> None:
    stored = json.loads(json.dumps(dataclasses.asdict(equal)))
    assert stored["gains"]["full"][1] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_at_the_contest_s_limit_a_nano_run_s_votes_leave_full_votes_far_behind(tmp_path) -> None:
    path = tmp_path / "nano.jsonl"
    path.write_bytes(gzip.decompress((FIXTURES / "votes" / "nano.jsonl.gz").read_bytes()))
    replay = replay_limits(read_votes(path, "awq"), LimitSetting(slowdown=21.0, limits=(0.6,), contests=4))
    assert replay.gains["full"][0].low > 10
    assert replay.gains[UNLIMITED][0].value > -5

"""The forecast of a score, and contests whose questions are asked twice."""

import math

import pytest

from fastmath.replay.draws import mean_right, summarize_contests
from fastmath.replay.forecast import chance_of_at_least, forecast_scores
from fastmath.replay.simulator import ContestScore, Played
from fastmath.replay.votes import RecordedSample, Recording, draw_contest

SCORES = [32, 30, 34, 30]


def contest(right: int) -> ContestScore:
    played = [Played(place < right, True, 1.0, 1.0, 1.0) for place in range(50)]
    return ContestScore(tuple(played), 50.0, 100.0)


def recorded(samples: int) -> list[Recording]:
    """Ten questions, each sample of which has a length of its own."""
    lengths = range(1, samples + 1)
    return [Recording(f"q{each}", "m", each, tuple(RecordedSample(n, n) for n in lengths)) for each in range(10)]


def test_half_of_the_contests_reach_a_score_between_theirs():
    assert [chance_of_at_least(SCORES, least) for least in (30, 31, 33, 35)] == [1.0, 0.5, 0.25, 0.0]


def test_the_forecast_has_every_whole_score_that_was_reached():
    assert forecast_scores(SCORES)["at_least"] == {"30": 1.0, "31": 0.5, "32": 0.5, "33": 0.25, "34": 0.25}


def test_quantiles_are_scores_that_there_were():
    # 0.25 * 4 = 1st, 0.5 * 4 = 2nd, 0.75 * 4 = 3rd of 30, 30, 32, 34.
    assert forecast_scores(SCORES)["quantiles"] == {"0.05": 30, "0.25": 30, "0.5": 30, "0.75": 32, "0.95": 34}


def test_sigma_is_the_deviation_of_single_contests():
    # Mean 31.5; (0.5^2 + 1.5^2 + 2.5^2 + 1.5^2) / 3 = 3.667.
    assert forecast_scores(SCORES)["sigma"] == pytest.approx(math.sqrt(11 / 3), abs=1e-3)


def test_runs_on_the_same_questions_differ_by_the_samples_alone():
    # (4^2 + 0^2) / 2 contests / 2 runs = 4.
    assert forecast_scores([32, 31], [[30, 31], [34, 31]])["rerun_sigma"] == 2.0


def test_a_question_that_is_right_in_one_of_two_runs_counts_half():
    assert mean_right([[contest(30), contest(40)], [contest(33), contest(40)]]) == [31.5, 40.0]


def test_seconds_and_questions_without_a_vote_are_those_of_both_runs():
    assert summarize_contests([[contest(30)], [contest(33)]])["seconds_used"] == 50.0


def test_a_second_run_asks_the_same_questions_in_another_order():
    first, second = (draw_contest(recorded(40), 3, run=run) for run in (0, 1))
    names = [[question.id for question in drawn] for drawn in (first, second)]
    assert (sorted(names[0]) == sorted(names[1]), names[0] == names[1]) == (True, False)


def sample_sets(contest: list[Recording]) -> list[set[RecordedSample]]:
    return [set(question.samples) for question in contest]


def test_a_second_run_has_the_samples_that_the_first_one_left():
    question = recorded(32)[0]
    first, second = (sample_sets(draw_contest([question], 3, run=run)) for run in (0, 1))
    assert sorted(map(sorted_lengths, second)) == sorted(sorted_lengths(set(question.samples) - each) for each in first)


def sorted_lengths(samples: set[RecordedSample]) -> list[int]:
    return sorted(sample.tokens for sample in samples)


@pytest.mark.parametrize("samples", [16, 31])
def test_where_too_few_are_left_a_second_run_draws_from_all(samples: int):
    assert {len(each) for each in sample_sets(draw_contest(recorded(samples), 3, run=1))} == {16}

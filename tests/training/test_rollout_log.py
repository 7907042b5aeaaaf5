"""The completions that GRPO logs of every step."""

import json
from pathlib import Path

import pytest

from fastmath.training.rollout_log import (
    COMPLETIONS_FILE,
    RolloutLog,
    choose_places,
    read_completions,
    select_step,
)
from helpers.made_training import make_completion


def test_places_of_the_worked_example() -> None:
    assert choose_places(6, 3, 3) == [0, 3, 1]


def test_no_more_places_than_there_are() -> None:
    assert choose_places(2, 2, 9) == [0, 1]


@pytest.mark.parametrize(("step", "sampled"), [(0, []), (1, [1]), (4, [1]), (5, [5]), (7, [5])])
def test_a_step_without_completions_of_its_own_has_trained_on_earlier_ones(step: int, sampled: list[int]) -> None:
    completions = [make_completion(1), make_completion(5)]
    assert [each.step for each in select_step(completions, step)] == sampled


@pytest.mark.parametrize(
    ("correct", "cut", "outcome"),
    [(True, False, "right"), (False, False, "wrong"), (None, False, "not judged"), (False, True, "cut")],
)
def test_the_outcome_of_a_completion(correct: bool | None, cut: bool, outcome: str) -> None:
    assert make_completion(1, correct=correct, cut=cut).outcome == outcome


def test_what_is_logged_is_read_again(tmp_path: Path) -> None:
    completion = make_completion(1, rewards={"cosine": None}, reward=None)
    RolloutLog(tmp_path, 4).write(1, [completion])
    assert read_completions(tmp_path) == [completion]


def test_a_training_that_goes_on_lists_no_step_twice(tmp_path: Path) -> None:
    first = RolloutLog(tmp_path, 4)
    for step in (1, 2, 3):
        first.write(step, [make_completion(step)])
    with (tmp_path / COMPLETIONS_FILE).open("a") as file:
        file.write(json.dumps({"step": 4})[:5])  # cut off by a kill
    resumed = RolloutLog(tmp_path, 4)  # from a checkpoint after step 2
    resumed.write(3, [make_completion(3)])
    assert [each.step for each in read_completions(tmp_path)] == [1, 2, 3]


def test_a_further_generation_of_a_step_is_passed_over(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path, 4)
    log.write(1, [make_completion(1, tokens=5)])
    log.write(1, [make_completion(1, tokens=9)])
    assert [each.tokens for each in read_completions(tmp_path)] == [5]

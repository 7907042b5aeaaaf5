"""Which model of a GRPO training is its product."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.sampling.samples import SAMPLE_SCHEMA
from fastmath.training.selection import Validation, choose_step, is_no_worse, list_candidates, measure_samples

NOISE = np.tile([0.1, -0.1], 50)
"""Differences of 100 problems with a mean of 0 and a standard error of 0.1 / sqrt(99) = 0.01005."""


def validation(step: int, correct: float, tokens: float, majority: float = 0.9, noise: bool = False) -> Validation:
    return Validation(
        step=step,
        correct=np.full(100, correct) + (NOISE if noise else 0.0),
        majority=np.full(100, majority),
        tokens=np.full(100, tokens),
        clipped=np.zeros(100),
        samples=4,
    )


def test_a_shorter_model_inside_the_noise_is_chosen():
    # 0.85 against 0.855: 0.005 worse, with a standard error of 0.01005
    assert choose_step([validation(5, 0.855, 90), validation(10, 0.85, 60, noise=True)]) == 10


def test_a_shorter_model_that_is_worse_by_more_than_the_noise_is_not_chosen():
    # 0.84 against 0.855: 0.015 worse, with a standard error of 0.01005
    assert choose_step([validation(5, 0.855, 90), validation(10, 0.84, 60, noise=True)]) == 5


def test_a_difference_that_every_problem_has_is_no_noise():
    assert choose_step([validation(5, 0.855, 90), validation(10, 0.85, 60)]) == 5


def test_a_shorter_model_whose_majority_is_worse_is_not_chosen():
    assert choose_step([validation(5, 0.85, 90, 0.95), validation(10, 0.85, 60, 0.90)]) == 5


def test_of_equal_models_the_later_one_is_chosen():
    assert choose_step([validation(5, 0.85, 60), validation(10, 0.85, 60)]) == 10


def test_a_collapse_is_never_chosen_for_its_brevity():
    rows = [validation(step, 0.8, 80 - step) for step in (5, 10, 15)] + [validation(20, 0.1, 12)]
    assert choose_step(rows) == 15


def test_a_model_that_is_worse_and_longer_is_no_candidate():
    assert list_candidates([validation(5, 0.85, 90), validation(10, 0.85, 60)]) == [10]


def test_a_more_accurate_and_a_shorter_model_are_both_candidates():
    # the second is inside the noise of the first, and neither is better in both
    assert list_candidates([validation(5, 0.855, 90), validation(10, 0.85, 60, noise=True)]) == [5, 10]


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="no validation"):
        choose_step([])


MEASURED = st.lists(st.tuples(st.integers(0, 20), st.integers(10, 100)), min_size=1, max_size=8)


@given(MEASURED)
def test_the_choice_is_a_candidate_and_so_is_the_most_accurate(measured: list[tuple[int, int]]):
    rows = [validation(step, right / 20, tokens, noise=True) for step, (right, tokens) in enumerate(measured)]
    candidates = list_candidates(rows)
    assert choose_step(rows) in candidates
    best = max(rows, key=lambda one: (one.correct.mean(), -one.tokens.mean(), one.step))
    assert best.step in candidates


def test_samples_are_measured_problem_by_problem():
    rows = [
        {"problem_id": "a", "sample": 0, "answer": "7", "correct": True, "tokens": 10, "finish_reason": "stop"},
        {"problem_id": "a", "sample": 1, "answer": None, "correct": False, "tokens": 30, "finish_reason": "length"},
        {"problem_id": "b", "sample": 0, "answer": "5", "correct": False, "tokens": 20, "finish_reason": "stop"},
        {"problem_id": "b", "sample": 1, "answer": "6", "correct": True, "tokens": 40, "finish_reason": "stop"},
    ]
    filled = [{"text": "", "reasoning_tokens": row["tokens"], "seed": 0} | row for row in rows]
    measured = measure_samples(5, pl.DataFrame(filled, schema=SAMPLE_SCHEMA))
    assert measured.correct.tolist() == [0.5, 0.5]
    # one vote of problem a, for the right answer; a tie of a right and a wrong one of problem b
    assert measured.majority.tolist() == [1.0, 0.5]
    assert measured.tokens.tolist() == [20.0, 30.0]
    assert measured.clipped.tolist() == [0.5, 0.0]
    figures = measured.tell(token_budget=64)
    assert figures["validation/pass@1"] == 0.5
    assert figures["validation/majority@2"] == 0.75
    assert figures["validation/tokens"] == 25.0
    assert figures["validation/clipped/low"] <= 0.25 <= figures["validation/clipped/high"]


def test_a_model_is_no_worse_inside_the_noise_alone():
    best = validation(5, 0.855, 90)
    assert is_no_worse(validation(5, 0.85, 99, noise=True), best)
    assert not is_no_worse(validation(5, 0.84, 60, noise=True), best)

"""Metrics: pass@k, majority@k, prefixes of a token budget, bootstrap intervals."""

import itertools
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.evaluation.metrics import (
    NO_ANSWER,
    SampleArrays,
    accuracy_curve,
    bootstrap_means,
    estimate_mean,
    majority_at_k,
    median_tokens,
    pass_at_k,
    token_budgets,
)


def make_frame(rows: list[tuple[str, int, str | None, bool, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows,
        schema={"problem_id": pl.String, "sample": pl.Int64, "answer": pl.String, "correct": bool, "tokens": pl.Int64},
        orient="row",
    ).with_columns(reasoning_tokens="tokens")


def make_votes(answers: list[str | None], gold: str) -> SampleArrays:
    return SampleArrays.from_frame(
        make_frame([("p", index, answer, answer == gold, 10) for index, answer in enumerate(answers)])
    )


@st.composite
def sample_arrays(draw: st.DrawFn) -> SampleArrays:
    problems, samples = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    size = problems * samples
    answers = np.array(draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))).reshape(problems, samples)
    tokens = np.array(draw(st.lists(st.integers(1, 50), min_size=size, max_size=size))).reshape(problems, samples)
    return SampleArrays(answers=answers, correct=answers == 0, tokens=tokens, reasoning_tokens=tokens)


def test_pass_at_k_of_the_worked_example() -> None:
    # 1 of 4 correct, k = 2: 1 - C(3, 2) / C(4, 2) = 1 - 3/6
    assert pass_at_k(np.array([[True, False, False, False]]), 2) == pytest.approx([0.5])


@given(sample_arrays(), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(samples: SampleArrays, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, samples.samples))
    expected = [np.mean([any(subset) for subset in itertools.combinations(row, k)]) for row in samples.correct]
    assert pass_at_k(samples.correct, k) == pytest.approx(expected)


def test_pass_at_k_does_not_overflow() -> None:
    # 1 of 2,000 correct, k = 1,000: 1 - C(1999, 1000) / C(2000, 1000) = 1000 / 2000
    correct = np.zeros((1, 2000), dtype=bool)
    correct[0, 7] = True
    assert comb(2000, 1000) > 1e300
    assert pass_at_k(correct, 1000) == pytest.approx([0.5])


@pytest.mark.parametrize("k", [0, 5])
def test_k_outside_the_samples_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k} and there are 4 samples"):
        pass_at_k(np.zeros((1, 4), dtype=bool), k)


def test_majority_takes_the_plurality() -> None:
    # votes: 7 twice, 5 three times
    assert majority_at_k(make_votes(["7", "5", "7", "5", "5"], gold="5"), 5).tolist() == [True]


def test_a_tie_goes_to_the_answer_given_first() -> None:
    # 7 and 5 have two votes each; 7 was given first
    assert majority_at_k(make_votes(["7", "5", None, "5", "7"], gold="7"), 5).tolist() == [True]
    assert majority_at_k(make_votes(["7", "5", None, "5", "7"], gold="5"), 5).tolist() == [False]


def test_a_sample_without_an_answer_casts_no_vote() -> None:
    # none three times, 0 once: 0 wins, an answer like any other
    assert majority_at_k(make_votes([None, None, None, "0"], gold="0"), 4).tolist() == [True]


def test_no_vote_at_all_is_wrong() -> None:
    assert majority_at_k(make_votes([None, None], gold="0"), 2).tolist() == [False]


def test_majority_looks_only_at_the_first_k_samples() -> None:
    # of the first three 7 has two votes; of all five 5 has three
    samples = make_votes(["7", "7", "5", "5", "5"], gold="7")
    assert majority_at_k(samples, 3).tolist() == [True]
    assert majority_at_k(samples, 5).tolist() == [False]


@given(sample_arrays(), st.data())
def test_majority_agrees_with_counting_by_hand(samples: SampleArrays, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, samples.samples))
    expected = []
    for row in samples.answers[:, :k].tolist():
        votes = [answer for answer in row if answer != NO_ANSWER]
        expected.append(bool(votes) and max(dict.fromkeys(votes), key=votes.count) == 0)
    assert majority_at_k(samples, k).tolist() == expected


def test_majority_of_one_is_the_first_sample() -> None:
    samples = make_votes(["7", "5"], gold="7")
    assert majority_at_k(samples, 1).tolist() == [True]


def test_a_sample_longer_than_the_budget_is_cut_and_has_no_answer() -> None:
    # 40 and 90 tokens under a budget of 60 cost 40 and 60, and only the first counts
    cut = SampleArrays.from_frame(make_frame([("p", 0, "7", True, 40), ("p", 1, "7", True, 90)])).cut(60)
    assert cut.tokens.tolist() == [[40, 60]]
    assert cut.correct.tolist() == [[True, False]]
    assert cut.answers.tolist() == [[0, NO_ANSWER]]


def test_a_sample_that_ends_exactly_at_the_budget_counts() -> None:
    assert SampleArrays.from_frame(make_frame([("p", 0, "7", True, 60)])).cut(60).correct.all()


@given(sample_arrays(), st.integers(1, 60), st.integers(0, 20))
def test_a_larger_budget_never_loses_a_correct_sample(samples: SampleArrays, budget: int, more: int) -> None:
    small, large = samples.cut(budget), samples.cut(budget + more)
    assert not (small.correct & ~large.correct).any()
    assert (small.tokens <= large.tokens).all()


@given(sample_arrays(), st.integers(1, 60), st.integers(1, 60))
def test_cutting_twice_is_cutting_at_the_smaller_budget_once(samples: SampleArrays, first: int, second: int) -> None:
    twice, once = samples.cut(max(first, second)).cut(min(first, second)), samples.cut(min(first, second))
    assert np.array_equal(twice.tokens, once.tokens)
    assert np.array_equal(twice.answers, once.answers)


def test_rows_may_come_in_any_order() -> None:
    rows = [("b", 0, "1", True, 1), ("a", 0, "2", False, 2), ("b", 1, "3", False, 3), ("a", 1, "1", True, 4)]
    arrays = SampleArrays.from_frame(make_frame([rows[2], rows[3], rows[0], rows[1]]))
    assert arrays.tokens.tolist() == [[1, 3], [2, 4]]
    assert arrays.answers[0, 0] == arrays.answers[1, 1]


def test_an_unequal_number_of_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\] samples"):
        SampleArrays.from_frame(make_frame([("a", 0, "1", True, 1), ("a", 1, "1", True, 1), ("b", 0, "1", True, 1)]))


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SampleArrays.from_frame(make_frame([]))


def test_the_interval_of_equal_values_is_that_value() -> None:
    estimate = estimate_mean(np.full(20, 0.25), seed=0)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.25, 0.25, 0.25))


def test_the_interval_is_near_the_normal_one_of_a_large_sample() -> None:
    # 400 of 800 correct: 0.5 ± 1.96 · sqrt(0.25 / 800) = 0.5 ± 0.0346
    estimate = estimate_mean(np.repeat([0.0, 1.0], 400), seed=0)
    assert (estimate.low, estimate.high) == pytest.approx((0.4654, 0.5346), abs=0.004)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).random(50)
    assert estimate_mean(values, seed=3) == estimate_mean(values, seed=3) != estimate_mean(values, seed=4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 5))
def test_resampled_means_stay_between_the_extremes(values: list[float], seed: int) -> None:
    means = bootstrap_means(np.array(values), seed, resamples=50)
    assert means.min() >= min(values) - 1e-9
    assert means.max() <= max(values) + 1e-9


def test_budgets_are_the_largest_and_shares_of_the_median() -> None:
    # 1.0 · 74 = 74 and 0.7 · 74 = 51.8, rounded to 52
    assert token_budgets(256, 74.0, (1.0, 0.7)) == [256, 74, 52]


def test_the_median_is_over_all_samples() -> None:
    # of 1, 3, 5, 100 the middle two are 3 and 5
    samples = make_frame(
        [("a", 0, "1", True, 1), ("a", 1, "1", True, 100), ("b", 0, "1", True, 3), ("b", 1, "1", True, 5)]
    )
    assert median_tokens(SampleArrays.from_frame(samples)) == 4.0


def test_a_curve_passes_through_the_table() -> None:
    rng = np.random.default_rng(0)
    answers = rng.integers(-1, 3, (30, 4))
    tokens = rng.integers(1, 100, (30, 4))
    samples = SampleArrays(answers=answers, correct=answers == 0, tokens=tokens, reasoning_tokens=tokens)
    single, majority = accuracy_curve(samples, [20, 60], 4, seed=5)
    expected = estimate_mean(pass_at_k(samples.cut(60).correct, 1), seed=5)
    assert single[:, 1] == pytest.approx([expected.value, expected.low, expected.high])
    assert majority[0, 1] == pytest.approx(majority_at_k(samples.cut(60), 4).mean())


def test_budgets_that_coincide_are_listed_once():
    # 0.7 x 1 and 1.0 x 1 are both rounded to 1
    assert token_budgets(48, 1.0, (1.0, 0.7)) == [48, 1]

"""Metrics: tables of samples as arrays, pass@k, prefixes of a token budget, curves."""

import itertools
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.evaluation.intervals import estimate_share
from fastmath.evaluation.metrics import (
    NO_ANSWER,
    SampleArrays,
    accuracy_curve,
    curve_points,
    majority_at_k,
    median_tokens,
    pass_at_k,
    token_budgets,
)
from helpers.samples import make_arrays, sample_arrays


def make_frame(rows: list[tuple[str, int, str | None, bool, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows,
        schema={"problem_id": pl.String, "sample": pl.Int64, "answer": pl.String, "correct": bool, "tokens": pl.Int64},
        orient="row",
    ).with_columns(pl.lit("stop").alias("finish_reason"), reasoning_tokens="tokens")


def make_votes(answers: list[str | None], gold: str) -> SampleArrays:
    return SampleArrays.from_frame(
        make_frame([("p", index, answer, answer == gold, 10) for index, answer in enumerate(answers)])
    )


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


def test_an_answer_is_right_where_a_sample_that_gives_it_is_correct() -> None:
    # 7, 7 and 5: 7 leads
    assert majority_at_k(make_votes(["7", "5", "7"], gold="7"), 3).tolist() == [1.0]
    assert majority_at_k(make_votes(["7", "5", "7"], gold="5"), 3).tolist() == [0.0]


def test_the_majority_does_not_hang_on_the_order_of_the_samples() -> None:
    # one of two samples is drawn, and one of them is right
    assert majority_at_k(make_votes(["7", "5"], gold="7"), 1) == pytest.approx([1 / 2])
    assert majority_at_k(make_votes(["5", "7"], gold="7"), 1) == pytest.approx([1 / 2])


def test_a_curve_has_the_powers_of_two_below_n_and_n() -> None:
    assert curve_points(10) == [1, 2, 4, 8, 10]
    assert curve_points(16) == [1, 2, 4, 8, 16]
    assert curve_points(1) == [1]


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


def test_problems_keep_the_order_of_their_first_appearance() -> None:
    rows = [("b", 0, "1", True, 1), ("a", 0, "2", False, 2)]
    samples = SampleArrays.from_frame(make_frame(rows))
    assert samples.problems == samples.cut(1).problems == ("b", "a")


def test_problems_are_selected_in_the_wanted_order() -> None:
    samples = make_arrays([[0, 1], [2, 2], [-1, 0]]).select(["p2", "p0"])
    assert (samples.problems, samples.answers.tolist()) == (("p2", "p0"), [[-1, 0], [0, 1]])


def test_samples_from_elsewhere_need_neither_their_text_nor_the_end_of_their_reasoning() -> None:
    table = make_frame([("p", 0, "7", True, 40)]).with_columns(
        *(pl.lit(None).alias(name) for name in ("text", "reasoning_tokens", "finish_reason"))
    )
    samples = SampleArrays.from_frame(table)
    assert (samples.reasoning_tokens.tolist(), samples.cut_off.tolist()) == ([[40]], [[False]])


def test_a_sample_is_cut_off_by_the_engine_or_by_the_budget() -> None:
    table = make_frame([("p", 0, None, False, 40), ("p", 1, "7", True, 60), ("p", 2, "7", True, 61)])
    samples = SampleArrays.from_frame(table.with_columns(finish_reason=pl.Series(["length", "stop", "stop"])))
    assert samples.cut_off.tolist() == [[True, False, False]]
    assert samples.cut(60).cut_off.tolist() == [[True, False, True]]


def test_an_unequal_number_of_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\] samples"):
        SampleArrays.from_frame(make_frame([("a", 0, "1", True, 1), ("a", 1, "1", True, 1), ("b", 0, "1", True, 1)]))


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SampleArrays.from_frame(make_frame([]))


def test_budgets_are_the_largest_and_shares_of_the_median() -> None:
    # 1.0 · 74 = 74 and 0.7 · 74 = 51.8, rounded to 52
    assert token_budgets(256, (), 74.0, (1.0, 0.7)) == [256, 74, 52]


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
    samples = make_arrays(answers, tokens)
    single, majority = accuracy_curve(samples, [20, 60], 4, seed=5)
    expected = estimate_share(pass_at_k(samples.cut(60).correct, 1), seed=5)
    assert single[:, 1] == pytest.approx([expected.value, expected.low, expected.high])
    assert majority[0, 1] == pytest.approx(majority_at_k(samples.cut(60), 4).mean())


def test_budgets_that_coincide_are_listed_once():
    # 0.7 x 1 and 1.0 x 1 are both rounded to 1
    assert token_budgets(48, (), 1.0, (1.0, 0.7)) == [48, 1]

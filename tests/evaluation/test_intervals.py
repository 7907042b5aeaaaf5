"""Intervals of means over problems: what they are by formula, and how often they hold the true mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from fastmath.evaluation.intervals import bootstrap_means, estimate_mean, estimate_share, share_intervals


@pytest.mark.parametrize(
    ("right", "problems"), [(0, 30), (1, 30), (15, 30), (29, 30), (30, 30), (100, 200), (197, 200)]
)
def test_the_interval_of_right_and_wrong_problems_is_that_of_jeffreys(right: int, problems: int) -> None:
    values = np.repeat([1.0, 0.0], [right, problems - right])
    low, high = beta.ppf([0.025, 0.975], right + 0.5, problems - right + 0.5)
    low, high = (0.0 if right == 0 else low), (1.0 if right == problems else high)
    # a quantile of 2,000 draws varies by about sqrt(0.025 · 0.975 / 2000) = 0.0035 in probability, a sixth of its tail
    tolerance = 0.2 * np.sqrt(0.25 / problems)
    estimate = estimate_share(values, seed=0)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=tolerance)
    assert estimate.value == right / problems


def test_all_problems_right_leave_room_below() -> None:
    # Beta(200.5, 0.5) has its 2.5 % quantile at 0.98754
    estimate = estimate_share(np.ones(200), seed=0)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, pytest.approx(0.9875, abs=0.001), 1.0)


def test_all_problems_wrong_leave_room_above() -> None:
    estimate = estimate_share(np.zeros(200), seed=0)
    assert (estimate.value, estimate.low, estimate.high) == (0.0, 0.0, pytest.approx(0.0125, abs=0.001))


def test_a_share_is_near_the_normal_interval_of_a_large_sample() -> None:
    # 400 of 800 correct: 0.5 ± 1.96 · sqrt(0.25 / 800) = 0.5 ± 0.0346
    estimate = estimate_share(np.repeat([0.0, 1.0], 400), seed=0)
    assert (estimate.low, estimate.high) == pytest.approx((0.4654, 0.5346), abs=0.004)


@pytest.mark.parametrize("values", [[], [0.5, 1.1], [-0.1], [float("nan")]])
def test_what_is_no_share_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="want shares of at least one problem, between 0 and 1; found"):
        estimate_share(np.array(values), seed=0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 5))
def test_an_interval_of_shares_contains_the_value_and_stays_in_bounds(values: list[float], seed: int) -> None:
    estimate = estimate_share(np.array(values), seed)
    assert estimate.low >= 0
    assert estimate.high <= 1
    assert estimate.low <= estimate.value <= estimate.high


def test_columns_are_what_each_of_them_is_alone() -> None:
    values = np.random.default_rng(1).random((40, 3))
    estimates = [estimate_share(column, 7) for column in values.T]
    intervals = share_intervals(values, 7).T.tolist()
    assert intervals == [pytest.approx([item.value, item.low, item.high]) for item in estimates]


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).random(50)
    assert estimate_share(values, seed=3) == estimate_share(values, seed=3) != estimate_share(values, seed=4)
    bounds = (0.0, 1.0)
    assert estimate_mean(values, 3, bounds) == estimate_mean(values, 3, bounds) != estimate_mean(values, 4, bounds)


@pytest.mark.parametrize("problems", [30, 200])
@pytest.mark.parametrize("population", [(0.5, 0.5), (8.0, 0.5)], ids=["easy and hard", "easy"])
def test_intervals_of_shares_hold_the_true_mean(population: tuple[float, float], problems: int) -> None:
    # Coverage measured here, of 1,000 simulated sets of problems with 16 samples each (standard error 0.007), and that
    # of percentiles of resampled means:
    #   easy and hard: 30 problems 0.949 (percentiles 0.936), 200 problems 0.951 (0.946)
    #   easy:          30 problems 0.953 (percentiles 0.913), 200 problems 0.963 (0.953)
    rng = np.random.default_rng(0)
    difficulties = rng.beta(*population, size=(problems, 1_000))
    truth = population[0] / sum(population)
    _, low, high = share_intervals(rng.binomial(16, difficulties) / 16, seed=0)
    assert np.mean((low <= truth) & (truth <= high)) >= 0.93


def test_intervals_hold_the_share_of_problems_that_are_solved_at_least_once() -> None:
    # A problem is solved with a chance of 1 - (1 - p)^16. In most sets of 30 all are solved, percentiles
    # are [1, 1] there and hold the truth in 0.175 of 1,000 sets; measured here: 0.986.
    rng = np.random.default_rng(0)
    solved = (rng.binomial(16, rng.beta(2.0, 1.0, size=(30, 1_000))) > 0).astype(float)
    truth = np.mean(1 - (1 - rng.beta(2.0, 1.0, size=1_000_000)) ** 16)
    _, low, high = share_intervals(solved, seed=0)
    assert np.mean((low <= truth) & (truth <= high)) >= 0.93


def test_intervals_of_tokens_hold_the_true_mean_better_than_percentiles() -> None:
    # 400 sets of 30 log-normal lengths; measured over 600: 0.918, and 0.883 with percentiles (standard error 0.011).
    rng = np.random.default_rng(0)
    truth = np.exp(0.8**2 / 2)
    lengths = rng.lognormal(0, 0.8, size=(400, 30))
    estimates = [estimate_mean(row, 0, (0.0, 100.0)) for row in lengths]
    held = np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
    low, high = np.percentile(bootstrap_means(lengths.T, 0), [2.5, 97.5], axis=0)
    assert held >= 0.90
    assert held > np.mean((low <= truth) & (truth <= high))


def test_equal_lengths_give_that_length() -> None:
    estimate = estimate_mean(np.full(20, 0.1), seed=0, bounds=(0.0, 1.0))
    assert (estimate.low, estimate.high) == (estimate.value, estimate.value)


def test_the_interval_of_tokens_is_near_the_normal_one_of_a_large_sample() -> None:
    # standard deviation 10 and 800 problems: 100 ± 1.96 · 10 / sqrt(800) = 100 ± 0.693
    estimate = estimate_mean(np.tile([90.0, 110.0], 400), seed=0, bounds=(0.0, 1000.0))
    assert (estimate.low, estimate.high) == pytest.approx((99.307, 100.693), abs=0.08)


@pytest.mark.parametrize("values", [[40.0], [40.0, 60.0]])
def test_one_or_two_problems_say_nothing_of_the_spread(values: list[float]) -> None:
    # both of two problems are drawn as one of them in half of the resamples
    estimate = estimate_mean(np.array(values), seed=0, bounds=(0.0, 100.0))
    assert (estimate.low, estimate.high) == (0.0, 100.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(0, 5))
def test_an_interval_of_tokens_contains_the_mean_and_stays_in_bounds(values: list[float], seed: int) -> None:
    estimate = estimate_mean(np.array(values), seed, (0.0, 100.0))
    slack = 1e-9
    assert -slack <= estimate.low <= estimate.value <= estimate.high <= 100 + slack


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 5))
def test_resampled_means_stay_between_the_extremes(values: list[float], seed: int) -> None:
    means = bootstrap_means(np.array(values), seed, resamples=50)
    assert means.min() >= min(values) - 1e-9
    assert means.max() <= max(values) + 1e-9

"""Logged metrics as series: reading, smoothing, thinning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.plots.series import Series, choose_window, choose_windows, read_series, running_mean, thin_steps


def make_series(*values: float) -> Series:
    return Series(np.arange(1, len(values) + 1), np.array(values, dtype=float))


def test_a_metric_has_the_steps_at_which_it_was_logged() -> None:
    found = read_series([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "kl": 0.1}])
    assert found["kl"].steps.tolist() == [2]


def test_null_is_a_hole() -> None:
    found = read_series([{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}])
    assert found["loss"].values.tolist() == pytest.approx([2.0, np.nan], nan_ok=True)


def test_of_a_step_that_was_logged_twice_the_later_value_counts() -> None:
    found = read_series([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "loss": 1.0}])
    assert (found["loss"].steps.tolist(), found["loss"].values.tolist()) == ([1, 2], [3.0, 1.0])


def test_no_rows_have_no_series() -> None:
    assert read_series([]) == {}


def test_running_mean_of_the_worked_example() -> None:
    # (1 + 2) / 2, (1 + 2 + 6) / 3, (2 + 6) / 2
    assert running_mean(np.array([1.0, 2.0, 6.0]), 3) == pytest.approx([1.5, 3.0, 4.0])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.integers(1, 60))
def test_a_running_mean_keeps_the_length_and_stays_between_the_extremes(values: list[float], width: int) -> None:
    means = running_mean(np.array(values), width)
    assert len(means) == len(values)
    assert means.min() >= min(values) - 1e-6
    assert means.max() <= max(values) + 1e-6


def test_nan_is_left_out_of_the_means_around_it() -> None:
    # 1 / 1, -, 3 / 1
    assert running_mean(np.array([1.0, np.nan, 3.0]), 3) == pytest.approx([1.0, np.nan, 3.0], nan_ok=True)


def test_windows_of_the_worked_example() -> None:
    assert choose_windows(300) == (1, 3, 5, 9, 17, 37, 75)


@pytest.mark.parametrize(("points", "windows"), [(0, (1,)), (1, (1,)), (5, (1, 3))])
def test_a_short_curve_has_few_windows(points: int, windows: tuple[int, ...]) -> None:
    assert choose_windows(points) == windows


def test_the_first_window_is_near_a_tenth_of_the_curve() -> None:
    # 300 / 10 = 30, and 37 is nearer than 17
    assert choose_window((1, 3, 5, 9, 17, 37, 75), 300) == 37


def test_as_many_steps_as_the_limit_are_all_drawn() -> None:
    assert thin_steps([make_series(1, 2, 3)], limit=3).tolist() == [1, 2, 3]


def test_of_each_stretch_the_lowest_and_the_highest_value_are_kept() -> None:
    # 4 steps at most and one series: 4 / (2 * 1) = 2 stretches, of the steps 1 to 4 and 5 to 8; the ends 1 and 8
    assert thin_steps([make_series(5, 9, 0, 5, 5, 5, 7, 6)], limit=4).tolist() == [1, 2, 3, 5, 7, 8]


def test_a_hole_of_a_thinned_series_is_kept() -> None:
    values = [0.0] * 100
    values[41] = float("nan")
    assert 42 in thin_steps([make_series(*values)], limit=10)


def test_a_series_of_few_values_keeps_them_all() -> None:
    # the validation, of the steps 30 and 60, beside 100 steps of noise
    validation = Series(np.array([30, 60]), np.array([0.5, 0.6]))
    assert {30, 60} <= set(thin_steps([make_series(*np.sin(np.arange(100))), validation], limit=20).tolist())


@settings(max_examples=30)
@given(st.lists(st.floats(-1e3, 1e3) | st.just(float("nan")), min_size=30, max_size=200), st.integers(4, 20))
def test_thinning_keeps_the_extremes_of_all(values: list[float], limit: int) -> None:
    series = make_series(*values)
    kept = series.values[np.isin(series.steps, thin_steps([series], limit))]
    if np.isfinite(values).any():
        assert (np.nanmin(kept), np.nanmax(kept)) == (np.nanmin(values), np.nanmax(values))


def test_a_long_training_is_thinned_to_about_the_limit() -> None:
    series = [make_series(*np.sin(np.arange(20_000) * factor)) for factor in (0.1, 0.37, 1.3)]
    assert 500 <= len(thin_steps(series, limit=1000)) <= 1010

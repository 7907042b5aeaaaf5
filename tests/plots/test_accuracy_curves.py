"""Accuracy against tokens as an interactive figure."""

import math

import numpy as np
import plotly.graph_objects as go
import pytest

from fastmath.evaluation.report import measure
from fastmath.plots.accuracy_curves import plot_accuracy_curves
from helpers.samples import make_arrays


@pytest.fixture(scope="module")
def figure() -> go.Figure:
    """Of one model, whose problems need 10 and 20, and 10 and 40 tokens; all is right."""
    samples = {"sft": make_arrays([[0, 0], [0, 0]], [[10, 20], [10, 40]])}
    budgets = [measure(samples["sft"], budget, 0) for budget in (40, 15)]
    return plot_accuracy_curves({"seed": 0, "models": [{"name": "sft", "budgets": budgets}]}, samples)


def find(figure: go.Figure, metric: str, of: str) -> go.Scatter:
    return next(trace for trace in figure.data if trace.meta == {"model": "sft", "metric": metric, "of": of})


@pytest.mark.parametrize(("budget", "accuracy"), [(10, 0.5), (15, 0.5), (20, 0.75), (40, 1.0)])
def test_a_budget_tells_the_share_of_samples_that_are_right_within_it(
    figure: go.Figure, budget: int, accuracy: float
) -> None:
    curve = find(figure, "pass@1", "curve")
    assert curve.y[list(curve.x).index(budget)] == accuracy


def test_an_interval_is_told_with_each_budget(figure: go.Figure) -> None:
    curve = find(figure, "majority@2", "curve")
    low, high = np.array(curve.customdata).T
    assert (low <= curve.y).all()
    assert (curve.y <= high).all()
    assert "customdata" in curve.hovertemplate


def test_the_axis_begins_where_something_is_right(figure: go.Figure) -> None:
    # the shortest right sample has 10 tokens; the curves begin a tenth before it, with 9, where nothing is right yet
    assert figure.layout.xaxis.range[0] == pytest.approx(math.log10(9))


def test_the_report_s_budgets_are_marked(figure: go.Figure) -> None:
    assert list(find(figure, "pass@1", "budgets").x) == [15, 40]


def test_what_was_spent_is_drawn_against_what_was_right(figure: go.Figure) -> None:
    spent = find(figure, "pass@1", "spent")
    # under 15 tokens: (10 + 15 + 10 + 15) / 4; under 40: (10 + 20 + 10 + 40) / 4
    assert list(zip(spent.x, spent.y, strict=True)) == [(12.5, 0.5), (20.0, 1.0)]

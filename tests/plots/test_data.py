"""Figures of the training data."""

import pytest

from fastmath.plots.data import describe_answer, plot_accuracies, plot_lengths, plot_mix


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        *(("025", "integer 0-999"), ("-3", "other integer"), ("1024", "other integer"), ("0.5", "number")),
        *((r"\frac{1}{2}", "number"), (r"2\sqrt{3}", "number"), ("x+1", "expression"), ("(1, 2)", "expression")),
        *((r"\text{odd}", "text"), ("Monday", "text")),
    ],
)
def test_answers_are_told_apart_by_kind(answer: str, kind: str) -> None:
    assert describe_answer(answer) == kind


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_the_figures_of_a_nearly_empty_set_are_drawn(rows: int) -> None:
    plot_lengths([40] * rows, ["nano"] * rows)
    plot_mix(["7"] * rows, ["nano"] * rows)
    plot_accuracies([0.5] * rows, [True] * rows)

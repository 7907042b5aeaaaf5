"""Figures of the training data."""

import pytest

from fastmath.plots.data import describe_answer, plot_accuracies, plot_funnel, plot_lengths, plot_mix
from fastmath.plots.style import SERIES

ONE = {"nano": {"rows": 200, "kept": 150, "not drawn": 10, "no correct generation": 40, "GRPO: no integer": 7}}


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


def test_a_source_has_a_bar_an_outcome_the_kept_rows_first_and_then_the_most_frequent() -> None:
    (axis,) = plot_funnel(ONE).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["kept", "no correct generation", "not drawn"]
    # of 200 rows 150, 40 and 10
    assert [bar.get_width() for bar in axis.patches] == [75.0, 20.0, 5.0]
    assert axis.texts[0].get_text() == "150  (75.0 %)"


def test_every_source_has_a_panel_with_the_same_outcomes() -> None:
    axes = plot_funnel(ONE | {"mine": {"rows": 4, "kept": 0, "malformed": 4}}).axes
    assert [axis.get_title(loc="left") for axis in axes] == ["nano · 200 rows", "mine · 4 rows"]
    assert [bar.get_width() for bar in axes[1].patches] == [0.0, 0.0, 0.0, 100.0]  # `malformed` is the least frequent


def test_a_funnel_without_a_source_is_drawn() -> None:
    assert [axis.get_visible() for axis in plot_funnel({}).axes] == [False]


def test_more_sources_than_colours_are_drawn() -> None:
    names = [str(number) for number in range(len(SERIES) + 2)]
    (axis,) = plot_lengths(range(len(names)), names).axes
    # and the median
    assert len(axis.get_legend().get_texts()) == len(names) + 1
    plot_mix(["7"] * len(names), names)

"""The interactive figure of curves: what it holds."""

import numpy as np
import plotly.graph_objects as go
import pytest

from fastmath.plots.curves import plot_curves
from fastmath.plots.lines import make_curve_set
from fastmath.plots.marks import Mark
from fastmath.plots.plotly_style import COLOURS
from helpers.made_training import make_grpo_rows, make_sft_rows

ROWS = list(make_grpo_rows(40))
MARKS = (Mark(10, "checkpoint", "checkpoint after step 10"), Mark(20, "warning", "too long"), Mark(30, "product", "it"))


@pytest.fixture(scope="module")
def figure() -> go.Figure:
    return plot_curves(make_curve_set({"run": ROWS}, "grpo", {"run": MARKS}))


def find(figure: go.Figure, metric: str, of: str = "values", run: str = "run") -> go.Scatter:
    return next(trace for trace in figure.data if trace.meta == {"metric": metric, "run": run, "of": of})


def test_a_line_is_drawn_as_it_was_logged(figure: go.Figure) -> None:
    assert find(figure, "reward").y == pytest.approx([row["reward"] for row in ROWS[1:-1]], rel=1e-6)


def test_a_hole_is_not_bridged(figure: go.Figure) -> None:
    line = find(figure, "kl")
    assert (np.flatnonzero(np.isnan(line.y)).tolist(), line.connectgaps) == ([6], False)


def test_all_panels_share_their_steps_so_that_pointing_tells_all_values(figure: go.Figure) -> None:
    assert {trace.xaxis for trace in figure.data} == {"x"}
    assert (figure.layout.hovermode, figure.layout.hoversubplots) == ("x unified", "axis")


def test_what_is_pointed_at_is_told_once_a_panel(figure: go.Figure) -> None:
    told = [trace.meta["metric"] for trace in figure.data if "metric" in trace.meta and trace.hoverinfo != "skip"]
    assert len(told) == len(set(told)) == 14


def test_the_slider_carries_the_smoothed_lines(figure: go.Figure) -> None:
    (slider,) = figure.layout.sliders
    unsmoothed = next(step for step in slider.steps if step.label == "none")
    (changed, places) = unsmoothed.args
    place = places.index(list(figure.data).index(find(figure, "reward", "smoothed")))
    assert changed["y"][place] == pytest.approx([row["reward"] for row in ROWS[1:-1]], rel=1e-4)


def test_logarithmic_axes_are_for_values_that_are_never_negative(figure: go.Figure) -> None:
    titles = [note.text.partition("<b>")[2].partition("</b>")[0] for note in figure.layout.annotations]
    button = next(menu.buttons[0] for menu in figure.layout.updatemenus if menu.buttons[0].label == "log values")
    places = [int(key.removeprefix("yaxis").partition(".")[0]) - 2 for key in button.args[0] if key.endswith(".type")]
    assert [titles[place] for place in places] == [
        "Length of completions", "Entropy", "KL divergence from the start", "Validation: length",
    ]  # fmt: skip


def test_events_stand_above_the_panels_and_all_but_checkpoints_go_through_them(figure: go.Figure) -> None:
    events = {trace.meta["of"]: trace.x for trace in figure.data if "metric" not in trace.meta}
    assert events == {"checkpoint": (10,), "warning": (20,), "product": (30,)}
    assert [shape.x0 for shape in figure.layout.shapes] == [20, 30]


def test_the_legend_has_one_entry_a_run_and_one_for_its_spread(figure: go.Figure) -> None:
    entries = [trace.name for trace in figure.data if trace.showlegend and "metric" in trace.meta]
    assert sorted(entries) == ["run", "run: spread"]


def test_each_run_has_a_colour_and_the_spreads_of_several_are_hidden_at_first() -> None:
    figure = plot_curves(make_curve_set({"a": ROWS, "b": ROWS[:20]}, "grpo"))
    assert [find(figure, "reward", "smoothed", run).line.color for run in "ab"] == list(COLOURS[:2])
    assert find(figure, "reward", "band", "a").visible == "legendonly"


@pytest.mark.parametrize("rows", [[], list(make_sft_rows(1)), [{"step": 1, "loss": None}]])
def test_a_training_that_has_hardly_begun_is_drawn(rows: list[dict[str, float]]) -> None:
    figure = plot_curves(make_curve_set({"run": rows}, "sft"))
    assert figure.to_plotly_json()["layout"]["height"] > 0


def test_a_long_training_is_drawn_small_and_says_so() -> None:
    figure = plot_curves(make_curve_set({"run": list(make_grpo_rows(2200))}, "grpo"))
    assert len(find(figure, "reward").x) <= 2020
    assert "of 2,201 steps" in figure.layout.annotations[-1].text

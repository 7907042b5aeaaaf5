"""Training curves: what they hold; how they look is judged by eye."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastmath.plots.series import running_mean
from fastmath.plots.training import DRAWN_STEPS, plot_losses, plot_reward_curves, summarize_metrics

SFT = [{"step": step, "loss": 3.0 / step} for step in range(1, 31)]
GRPO = [
    {
        "step": step,
        "reward": 1.0 + step / 20,
        "reward_std": 0.2,
        "rewards/cosine/mean": 0.5 + step / 40,
        "rewards/group_length/mean": 0.0,
        "completions/mean_length": 80.0 - step,
        "completions/min_length": 20.0,
        "completions/max_length": 200.0,
        "completions/clipped_ratio": 0.01,
        "kl": step / 100,
    }
    for step in range(1, 21)
]


def find_panel(figure: Figure, title: str) -> Axes:
    return next(axis for axis in figure.axes if title in axis.get_title(loc="left"))


def test_reward_curves_have_a_line_a_reward_function() -> None:
    figure = plot_reward_curves(SFT, GRPO)
    panel = find_panel(figure, "rewards by function")
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["cosine", "group length"]


def test_a_metric_that_was_not_logged_is_named_as_such() -> None:
    without_kl = [{key: value for key, value in row.items() if key != "kl"} for row in GRPO]
    panel = find_panel(plot_reward_curves(SFT, without_kl), "divergence")
    assert [text.get_text() for text in panel.texts] == ["not logged"]


def test_rows_without_a_metric_are_passed_over() -> None:
    # the row that a trainer writes at its end has no loss
    summary = summarize_metrics([*SFT, {"step": 30, "train_runtime": 4.0}], GRPO)
    # first tenth: 3 of 30 steps, (3/1 + 3/2 + 3/3) / 3 = 1.833; last: (3/28 + 3/29 + 3/30) / 3 = 0.104
    assert "| SFT | loss | 1.833 | 0.104 |" in summary


def test_losses_skip_rows_without_them() -> None:
    rows = [{"step": 1, "epoch": 0.1, "loss": 2.0}, {"step": 2, "epoch": 0.2, "loss": 1.0}]
    figure = plot_losses({"run": [*rows, {"step": 2, "epoch": 0.2, "train_runtime": 4.0}]})
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[0.1, 2.0], [0.2, 1.0]]
    assert [text.get_text() for text in figure.axes[1].texts] == ["not logged"]


def test_a_step_without_a_finite_value_is_a_gap() -> None:
    rows = [row | {"kl": None} if row["step"] == 5 else row for row in GRPO]
    panel = find_panel(plot_reward_curves(SFT, rows), "divergence")
    # the raw line and its mean; step 5 has the index 4
    assert [np.isnan(line.get_ydata()).nonzero()[0].tolist() for line in panel.get_lines()] == [[4], [4]]


def test_curves_of_no_training_say_so() -> None:
    panels = plot_reward_curves([], []).axes
    assert [[text.get_text() for text in panel.texts] for panel in panels] == [["not logged"]] * 6


def test_a_metric_without_a_finite_value_says_so() -> None:
    panel = find_panel(plot_reward_curves(SFT, [row | {"kl": None} for row in GRPO]), "divergence")
    assert [text.get_text() for text in panel.texts] == ["no finite value was logged"]


def test_a_single_step_is_a_point_with_a_step_on_each_side() -> None:
    panel = find_panel(plot_reward_curves(SFT[:1], GRPO[:1]), "SFT · loss")
    points = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() != "None"]
    assert points == [[[1.0, 3.0]]] * 2  # the value and its mean
    assert panel.get_xlim() == (0.0, 2.0)


def test_a_value_between_two_holes_is_a_point() -> None:
    rows = [row | {"kl": row["kl"] if row["step"] == 5 or row["step"] > 10 else None} for row in GRPO]
    panel = find_panel(plot_reward_curves(SFT, rows), "divergence")
    lone = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() != "None"]
    assert lone == [[[5.0, 0.05]]] * 2


def test_a_long_training_is_thinned_and_says_so() -> None:
    rows = [{"step": step, "reward": float(step == 70_000), "reward_std": 0.1} for step in range(1, 100_001)]
    panel = find_panel(plot_reward_curves([], rows), "weighted sum")
    raw, mean = panel.lines
    assert len(raw.get_xdata()) <= 1.1 * DRAWN_STEPS
    assert (70_000, 1.0) in map(tuple, raw.get_xydata().tolist())  # the spike of a single step
    assert panel.get_xlabel() == f"optimiser step ({len(raw.get_xdata()):,} of 100,000 logged steps drawn)"
    whole = running_mean(np.array([row["reward"] for row in rows]), 10_000)
    assert mean.get_ydata().tolist() == pytest.approx(whole[raw.get_xdata() - 1])


def test_no_legend_lies_on_a_curve() -> None:
    figure = plot_reward_curves(SFT, GRPO)
    figure.draw_without_rendering()
    for axis in figure.axes:
        if (legend := axis.get_legend()) is not None:
            assert legend.get_window_extent().y0 >= axis.get_window_extent().y1


def test_two_losses_differ_without_their_colours() -> None:
    rows = [{"step": step, "epoch": step / 10, "loss": 1.0 / step} for step in range(1, 9)]
    figure = plot_losses({"one": rows, "two": rows})
    assert [line.is_dashed() for line in figure.axes[0].lines] == [False, True]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_losses_of_nothing_say_so() -> None:
    figure = plot_losses({"run": []})
    assert [[text.get_text() for text in axis.texts] for axis in figure.axes] == [["not logged"]] * 2

"""Training curves: what they hold; how they look is judged by eye."""

import numpy as np

from fastmath.plots.training import plot_losses, plot_reward_curves, summarize_metrics

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


def test_reward_curves_have_a_line_a_reward_function() -> None:
    figure = plot_reward_curves(SFT, GRPO)
    panel = next(axis for axis in figure.axes if "rewards by function" in axis.get_title(loc="left"))
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["cosine", "group length"]


def test_a_metric_that_was_not_logged_is_named_as_such() -> None:
    without_kl = [{key: value for key, value in row.items() if key != "kl"} for row in GRPO]
    panel = next(
        axis for axis in plot_reward_curves(SFT, without_kl).axes if "divergence" in axis.get_title(loc="left")
    )
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
    assert len(figure.axes[1].lines) == 0  # nothing was logged for it


def test_a_step_without_a_finite_value_is_a_gap() -> None:
    rows = [row | {"kl": None} if row["step"] == 5 else row for row in GRPO]
    panel = next(axis for axis in plot_reward_curves(SFT, rows).axes if "divergence" in axis.get_title(loc="left"))
    # the raw line and its mean; step 5 has the index 4
    assert [np.isnan(line.get_ydata()).nonzero()[0].tolist() for line in panel.get_lines()] == [[4], [4]]

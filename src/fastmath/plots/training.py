"""Training metrics by optimiser step: the curves of SFT and GRPO together, and those of SFT alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from fastmath.plots.series import running_mean
from fastmath.plots.style import MUTED, PALETTE, STYLE


def plot_losses(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Training loss and token accuracy against epochs, one line per run.

    Args:
        runs: name of a run → rows of its `metrics.jsonl`, with `epoch`, `loss` and, where TRL logs it,
            `mean_token_accuracy`.
    """
    panels = {"loss": "loss (nats a token)", "mean_token_accuracy": "share of tokens predicted right"}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
        for axis, (column, label) in zip(axes, panels.items(), strict=True):
            for (name, metrics), colour in zip(runs.items(), PALETTE, strict=False):
                points = [(row["epoch"], _to_float(row[column])) for row in metrics if column in row]
                if points:
                    axis.plot(*zip(*points, strict=True), color=colour, label=name)
            axis.set(xlabel="epoch", title=label)
        axes[0].legend()
    return figure


def plot_reward_curves(sft_metrics: Sequence[Mapping[str, Any]], grpo_metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Six panels: the loss of SFT, and GRPO's reward, rewards by function, completion length, KL and clipped share.

    Args:
        sft_metrics: rows of SFT's `metrics.jsonl`, with `step` and `loss`.
        grpo_metrics: rows of GRPO's `metrics.jsonl`, with `step` and TRL's `reward`, `reward_std`,
            `rewards/<name>/mean`, `completions/mean_length`, `completions/min_length`, `completions/max_length`,
            `completions/clipped_ratio` and `kl`; the panel of a metric that was not logged says so.
    """
    with plt.rc_context(dict(STYLE)):
        figure, axes = plt.subplots(2, 3, figsize=(13, 6.8))
        _draw_loss(axes[0, 0], sft_metrics)
        _draw_total_reward(axes[0, 1], grpo_metrics)
        _draw_rewards(axes[0, 2], grpo_metrics)
        _draw_lengths(axes[1, 0], grpo_metrics)
        _draw_kl(axes[1, 1], grpo_metrics)
        _draw_clipped(axes[1, 2], grpo_metrics)
        figure.get_layout_engine().set(hspace=0.07, wspace=0.04)
        for axis in axes.flat:
            axis.set_xlabel("optimiser step")
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axis.margins(x=0.02)
    return figure


def summarize_metrics(sft_metrics: Sequence[Mapping[str, Any]], grpo_metrics: Sequence[Mapping[str, Any]]) -> str:
    """Markdown table of the plotted metrics: the mean of each over the first and over the last tenth of its steps."""
    rewards = sorted({key for row in grpo_metrics for key in row if key.startswith("rewards/") and "/mean" in key})
    wanted = [("SFT", sft_metrics, "loss"), ("GRPO", grpo_metrics, "reward")]
    wanted += [("GRPO", grpo_metrics, name) for name in (*rewards, "completions/mean_length", "kl")]
    wanted.append(("GRPO", grpo_metrics, "completions/clipped_ratio"))
    lines = ["| training | metric | first tenth | last tenth |", "| :-- | :-- | --: | --: |"]
    for training, rows, name in wanted:
        _, values = _series(rows, name)
        if len(values):
            width = max(1, len(values) // 10)
            first, last = _finite_mean(values[:width]), _finite_mean(values[-width:])
            lines.append(f"| {training} | {name} | {first:.3f} | {last:.3f} |")
    return "\n".join(lines)


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of the rows that have the metric `name`; null, which stands for NaN and infinities, is NaN."""
    found = [(row["step"], _to_float(row[name])) for row in rows if name in row]
    steps, values = np.array(found, dtype=float).reshape(-1, 2).T
    return steps, values


def _finite_mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _to_float(value: float | None) -> float:
    return float("nan") if value is None else value


def _draw_smoothed(
    axis: Axes, steps: NDArray[np.float64], values: NDArray[np.float64], colour: str, label: str
) -> None:
    """Draw the raw values faintly, and their running mean over a tenth of the run on top."""
    width = max(3, len(values) // 10)
    axis.plot(steps, values, color=colour, linewidth=0.8, alpha=0.3)
    axis.plot(steps, running_mean(values, width), color=colour, label=label)


def _require_points(axis: Axes, title: str, values: NDArray[np.float64]) -> bool:
    axis.set_title(title)
    if len(values) == 0:
        axis.text(0.5, 0.5, "not logged", transform=axis.transAxes, ha="center", color=MUTED)
    return len(values) > 0


def _draw_loss(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    steps, values = _series(rows, "loss")
    if _require_points(axis, "SFT · loss", values):
        _draw_smoothed(axis, steps, values, PALETTE[0], "cross-entropy")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_ylabel("nats a token (log scale)")


def _draw_total_reward(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    steps, values = _series(rows, "reward")
    if not _require_points(axis, "GRPO · weighted sum of rewards", values):
        return
    deviation_steps, deviation = _series(rows, "reward_std")
    if np.array_equal(deviation_steps, steps):
        low, high = values - deviation, values + deviation
        axis.fill_between(steps, low, high, color=PALETTE[0], alpha=0.13, linewidth=0, label="± std of completions")
    _draw_smoothed(axis, steps, values, PALETTE[0], "running mean")
    axis.set_ylabel("reward")
    axis.legend(loc="lower right")


def _draw_rewards(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    names = sorted({key for row in rows for key in row if key.startswith("rewards/") and key.endswith("/mean")})
    axis.set_title("GRPO · rewards by function")
    for name, colour in zip(names, PALETTE, strict=False):
        _draw_smoothed(axis, *_series(rows, name), colour, name.split("/")[1].replace("_", " "))
    if _require_points(axis, "GRPO · rewards by function", np.array(names)):
        axis.set_ylabel("mean reward")
        axis.legend(loc="best")


def _draw_lengths(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    steps, values = _series(rows, "completions/mean_length")
    if not _require_points(axis, "GRPO · completion length", values):
        return
    low, high = (_series(rows, f"completions/{end}_length") for end in ("min", "max"))
    if len(low[1]) == len(high[1]) == len(values):
        axis.fill_between(
            steps, low[1], high[1], color=PALETTE[1], alpha=0.13, linewidth=0, label="shortest to longest"
        )
    _draw_smoothed(axis, steps, values, PALETTE[1], "mean")
    axis.set_ylim(bottom=0)
    axis.set_ylabel("tokens")
    axis.legend(loc="upper right")


def _draw_kl(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    steps, values = _series(rows, "kl")
    if _require_points(axis, "GRPO · divergence from the SFT model", values):
        _draw_smoothed(axis, steps, values, PALETTE[2], "KL")
        axis.set_ylim(bottom=0)
        axis.set_ylabel("KL, nats a token")


def _draw_clipped(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    steps, values = _series(rows, "completions/clipped_ratio")
    if _require_points(axis, "GRPO · completions cut off at the limit", values):
        _draw_smoothed(axis, steps, values, PALETTE[3], "clipped")
        axis.set_ylim(bottom=0, top=1.1 * np.nanmax([*values, 0.05]))
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_ylabel("share of completions")

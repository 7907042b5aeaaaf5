"""Figures of a run: what training did step by step, and what the models reach for the tokens they may spend."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from fastmath.evaluation.metrics import SampleArrays, accuracy_curve
from fastmath.evaluation.report import samples_of

INK, MUTED, GRID = "#1f2430", "#667085", "#e4e7ec"
PALETTE = ("#3b6fd8", "#e07b39", "#2a9d8f", "#b0549c", "#8a9a2b", "#5b5f97")
MODEL_COLOURS: Mapping[str, str] = {"sft-epoch-1": "#98a2b3", "sft": "#3b6fd8", "grpo": "#e07b39", "awq": "#2a9d8f"}
STYLE: Mapping[str, Any] = {
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": "#c3c8d2",
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.minor.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
"""The one place of styling; every figure is drawn inside it."""

DPI = 200
_CURVE_POINTS = 80


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of a `metrics.jsonl`, one object a step, by TRL's own names."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and close it, so that a notebook shows it once, from the file."""
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean over a centred window, narrower at the ends so that neither end is shifted; same length as `values`.

    Example: 1, 2, 6 with width 3 gives (1+2)/2, (1+2+6)/3, (2+6)/2 = 1.5, 3, 4.
    """
    kernel = np.ones(max(1, min(width, len(values))))
    middle = len(kernel) // 2
    sums = np.convolve(values, kernel)[middle : middle + len(values)]
    counts = np.convolve(np.ones_like(values), kernel)[middle : middle + len(values)]
    return sums / counts


def plot_reward_curves(sft_metrics: Sequence[Mapping[str, Any]], grpo_metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Six panels: SFT loss; reward, rewards by function, completion length, KL and clipped share of GRPO.

    Args:
        sft_metrics: rows with `step` and `loss`.
        grpo_metrics: rows with `step` and TRL's `reward`, `reward_std`, `rewards/<name>/mean`,
            `completions/mean_length`, `min_length`, `max_length` and `clipped_ratio`, `kl`; the panel of a metric that
            was not logged says so.
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


def plot_accuracy_against_tokens(report: Mapping[str, Any], samples: Mapping[str, SampleArrays]) -> Figure:
    """Three panels: pass@1 and majority@k under every token budget, and pass@1 against the tokens really spent.

    Args:
        report: as `fastmath.evaluation.report.build_report` returns it; its budgets are marked.
        samples: the samples that the report was computed from, by model name.
    """
    k = samples_of(report)
    marked = [entry["token_budget"] for entry in report["models"][0]["budgets"]]
    with plt.rc_context(dict(STYLE)):
        figure, (single, majority, spent) = plt.subplots(1, 3, figsize=(13, 4.4), sharey=True)
        budgets = _budget_grid(samples, max(marked))
        for entry in report["models"]:
            name = entry["name"]
            colour = MODEL_COLOURS.get(name, INK)
            curves = accuracy_curve(samples[name], budgets, k, report["seed"])
            for axis, (value, low, high) in zip((single, majority), curves, strict=True):
                axis.fill_between(budgets, low, high, color=colour, alpha=0.15, linewidth=0)
                axis.plot(budgets, value, color=colour, label=name)
            _draw_points(single, entry, "pass@1", "token_budget", colour)
            _draw_points(majority, entry, f"majority@{k}", "token_budget", colour)
            _draw_spending(spent, entry, colour)
        for axis, title in ((single, "pass@1"), (majority, f"majority@{k}")):
            axis.set_title(f"{title} under a token budget")
            axis.set_xlabel("token budget (a prefix of the same samples)")
            _mark_budgets(axis, marked)
        spent.set_title("pass@1 for the tokens spent")
        spent.set_xlabel("mean tokens a sample, at the marked budgets")
        spent.set_xlim(left=0)
        single.set_ylabel("share of held-out problems")
        single.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        single.set_ylim(-0.02, 1.02)
        figure.legend(*single.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9.5)
    return figure


def summarize_metrics(sft_metrics: Sequence[Mapping[str, Any]], grpo_metrics: Sequence[Mapping[str, Any]]) -> str:
    """Markdown table of each drawn metric: its mean over the first tenth of its steps and over the last tenth."""
    rewards = sorted({key for row in grpo_metrics for key in row if key.startswith("rewards/") and "/mean" in key})
    wanted = [("SFT", sft_metrics, "loss"), ("GRPO", grpo_metrics, "reward")]
    wanted += [("GRPO", grpo_metrics, name) for name in (*rewards, "completions/mean_length", "kl")]
    wanted.append(("GRPO", grpo_metrics, "completions/clipped_ratio"))
    lines = ["| training | metric | first tenth | last tenth |", "| :-- | :-- | --: | --: |"]
    for training, rows, name in wanted:
        _, values = _series(rows, name)
        if len(values):
            width = max(1, len(values) // 10)
            lines.append(f"| {training} | {name} | {values[:width].mean():.3f} | {values[-width:].mean():.3f} |")
    return "\n".join(lines)


def _budget_grid(samples: Mapping[str, SampleArrays], largest: int) -> NDArray[np.int64]:
    """Budgets from the shortest sample to the largest budget, evenly spaced on a logarithmic axis."""
    shortest = max(1, min(int(arrays.tokens.min()) for arrays in samples.values()))
    return np.unique(np.geomspace(min(shortest, largest), largest, _CURVE_POINTS).round().astype(np.int64))


def _mark_budgets(axis: Axes, budgets: Sequence[int]) -> None:
    axis.set_xscale("log")
    ticks = sorted(set(budgets))
    axis.set_xticks(ticks, [f"{budget:,}" for budget in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="x", which="minor", size=0)


def _draw_points(axis: Axes, entry: Mapping[str, Any], metric: str, across: str, colour: str) -> None:
    """Points with their 95 % intervals, one a budget."""
    estimates = [budget[metric] for budget in entry["budgets"]]
    values = np.array([estimate["value"] for estimate in estimates])
    errors = [
        values - [estimate["low"] for estimate in estimates],
        [estimate["high"] for estimate in estimates] - values,
    ]
    axis.errorbar(
        [budget[across] for budget in entry["budgets"]],
        values,
        yerr=np.clip(errors, 0, None),
        fmt="o",
        color=colour,
        markersize=5.5,
        markeredgecolor="white",
        elinewidth=1.2,
    )


def _draw_spending(axis: Axes, entry: Mapping[str, Any], colour: str) -> None:
    spent = [budget["mean_tokens"] for budget in entry["budgets"]]
    values = [budget["pass@1"]["value"] for budget in entry["budgets"]]
    order = np.argsort(spent)
    axis.plot(np.take(spent, order), np.take(values, order), color=colour, linewidth=1.4, alpha=0.6)
    _draw_points(axis, entry, "pass@1", "mean_tokens", colour)


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of the rows that hold a number under `name`."""
    found = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    steps, values = np.array(found, dtype=float).reshape(-1, 2).T
    return steps, values


def _draw_smoothed(
    axis: Axes, steps: NDArray[np.float64], values: NDArray[np.float64], colour: str, label: str
) -> None:
    """The raw values faintly, and their running mean over a tenth of the run."""
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
        axis.set_ylim(bottom=0, top=max(0.05, 1.1 * values.max()))
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_ylabel("share of completions")

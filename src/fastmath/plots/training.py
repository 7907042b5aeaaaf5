"""Training metrics by optimiser step: the curves of SFT and GRPO together, and those of SFT alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from fastmath.plots.series import Series, read_series, running_mean, thin_steps
from fastmath.plots.style import MUTED, SERIES, STYLE, SeriesStyle, add_legend, choose_styles

DRAWN_STEPS = 2000
"""Steps of a curve that are all drawn; of more about as many, which keep every spike, and the axis says so."""
STEPS_LABEL = "optimiser step"
_NONE = Series(np.array([], dtype=np.int64), np.array([], dtype=float))


def plot_losses(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Training loss and token accuracy against epochs, one line per run.

    Args:
        runs: name of a run → rows of its `metrics.jsonl`, with `epoch`, `loss` and, where TRL logs it,
            `mean_token_accuracy`.
    """
    panels = {"loss": "loss (nats a token)", "mean_token_accuracy": "share of tokens predicted right"}
    styles = choose_styles(list(runs))
    logged = {name: read_series(rows) for name, rows in runs.items()}
    with plt.rc_context(dict(STYLE)):
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
        for axis, (metric, title) in zip(axes, panels.items(), strict=True):
            axis.set(xlabel="epoch", title=title)
            found = {name: series[metric] for name, series in logged.items() if metric in series}
            if _require_points(axis, *found.values()):
                for name, series in found.items():
                    kept = _keep(axis, "epoch", series)
                    epochs = logged[name]["epoch"]
                    places = np.interp(series.steps[kept], epochs.steps, epochs.values)
                    look = {"color": styles[name].colour, "linestyle": styles[name].line, "marker": styles[name].marker}
                    _draw_line(axis, places, series, kept, label=name, **look)
        drawn = max(axes, key=lambda axis: len(axis.get_legend_handles_labels()[1]))
        if drawn.get_legend_handles_labels()[1]:
            figure.legend(*drawn.get_legend_handles_labels(), loc="outside upper center", ncols=4, handlelength=3)
    return figure


def plot_reward_curves(sft_metrics: Sequence[Mapping[str, Any]], grpo_metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Six panels: the loss of SFT, and GRPO's reward, rewards by function, completion length, KL and clipped share.

    Args:
        sft_metrics: rows of SFT's `metrics.jsonl`, with `step` and `loss`.
        grpo_metrics: rows of GRPO's `metrics.jsonl`, with `step` and TRL's `reward`, `reward_std`,
            `rewards/<name>/mean`, `completions/mean_length`, `completions/min_length`, `completions/max_length`,
            `completions/clipped_ratio` and `kl`; the panel of a metric that was not logged says so.
    """
    sft, grpo = read_series(sft_metrics), read_series(grpo_metrics)
    with plt.rc_context(dict(STYLE)):
        figure, axes = plt.subplots(2, 3, figsize=(13, 7.2))
        for axis in axes.flat:
            axis.set_xlabel(STEPS_LABEL)
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axis.margins(x=0.02)
        _draw_loss(axes[0, 0], sft)
        _draw_total_reward(axes[0, 1], grpo)
        _draw_rewards(axes[0, 2], grpo)
        _draw_lengths(axes[1, 0], grpo)
        _draw_kl(axes[1, 1], grpo)
        _draw_clipped(axes[1, 2], grpo)
        for axis in axes.flat:
            _widen(axis)
        figure.get_layout_engine().set(hspace=0.07, wspace=0.04)
    return figure


def summarize_metrics(sft_metrics: Sequence[Mapping[str, Any]], grpo_metrics: Sequence[Mapping[str, Any]]) -> str:
    """Markdown table of the plotted metrics: the mean of each over the first and over the last tenth of its steps."""
    sft, grpo = read_series(sft_metrics), read_series(grpo_metrics)
    wanted = [("SFT", sft, "loss"), ("GRPO", grpo, "reward")]
    wanted += [("GRPO", grpo, name) for name in (*_list_rewards(grpo), "completions/mean_length", "kl")]
    wanted.append(("GRPO", grpo, "completions/clipped_ratio"))
    lines = ["| training | metric | first tenth | last tenth |", "| :-- | :-- | --: | --: |"]
    for training, logged, name in wanted:
        if name in logged:
            values = logged[name].values
            width = max(1, len(values) // 10)
            first, last = _finite_mean(values[:width]), _finite_mean(values[-width:])
            lines.append(f"| {training} | {name} | {first:.3f} | {last:.3f} |")
    return "\n".join(lines)


def _list_rewards(logged: Mapping[str, Series]) -> list[str]:
    return sorted(name for name in logged if name.startswith("rewards/") and name.endswith("/mean"))


def _finite_mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _keep(axis: Axes, label: str, *series: Series) -> NDArray[np.intp]:
    """Indices of the points to draw of series that share their steps; where some are left out the x axis says so."""
    steps = series[0].steps
    kept = np.searchsorted(steps, thin_steps(series, DRAWN_STEPS))
    if len(kept) < len(steps):
        axis.set_xlabel(f"{label} ({len(kept):,} of {len(steps):,} logged steps drawn)")
    return kept


def _find_lone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers stand between two holes, so that no line shows them."""
    finite = np.pad(np.isfinite(values), 1)
    return finite[1:-1] & ~finite[:-2] & ~finite[2:]


def _draw_line(axis: Axes, places: NDArray[Any], series: Series, kept: NDArray[np.intp], **look: Any) -> None:
    """Draw the kept points of a series as a line with its holes, and a marker for each number that stands alone."""
    values, lone = series.values[kept], _find_lone(series.values)[kept]
    marker = {"marker": look.pop("marker"), "markersize": 3 + look.get("linewidth", 2)}
    axis.plot(places, values, **look)
    if lone.any():
        axis.plot(places[lone], values[lone], **look | {"label": None, "linestyle": "none"}, **marker)


def _draw_smoothed(axis: Axes, series: Series, style: SeriesStyle, label: str) -> None:
    """Draw the raw values faintly, and their running mean over a tenth of the run on top."""
    mean = Series(series.steps, running_mean(series.values, max(3, len(series) // 10)))
    kept = _keep(axis, STEPS_LABEL, series, mean)
    steps, look = series.steps[kept], {"color": style.colour, "marker": style.marker}
    _draw_line(axis, steps, series, kept, linewidth=0.8, alpha=0.35, **look)
    _draw_line(axis, steps, mean, kept, linestyle=style.line, label=label, **look)


def _draw_band(axis: Axes, low: Series, high: Series, style: SeriesStyle, label: str) -> None:
    kept = _keep(axis, STEPS_LABEL, low, high)
    steps, bottom, top = low.steps[kept], low.values[kept], high.values[kept]
    axis.fill_between(steps, bottom, top, color=style.colour, alpha=0.13, linewidth=0, label=label)
    lone = _find_lone(low.values + high.values)[kept]
    axis.vlines(steps[lone], bottom[lone], top[lone], color=style.colour, alpha=0.13, linewidth=6)


def _widen(axis: Axes) -> None:
    """Show a whole step on each side of a curve that has one step."""
    low, high = axis.get_xlim()
    if axis.lines and high - low < 1:
        axis.set_xlim(round((low + high) / 2) - 1, round((low + high) / 2) + 1)


def _require_points(axis: Axes, *series: Series) -> bool:
    """Whether there is a number to draw; a panel without one says so."""
    if any(np.isfinite(each.values).any() for each in series):
        return True
    text = "no finite value was logged" if any(map(len, series)) else "not logged"
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=MUTED)
    axis.set(xticks=[], yticks=[])
    return False


def _draw_loss(axis: Axes, logged: Mapping[str, Series]) -> None:
    loss = logged.get("loss", _NONE)
    axis.set_title("SFT · loss")
    if _require_points(axis, loss):
        _draw_smoothed(axis, loss, SERIES[0], "cross-entropy")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_ylabel("nats a token (log scale)")


def _draw_total_reward(axis: Axes, logged: Mapping[str, Series]) -> None:
    reward, deviation = logged.get("reward", _NONE), logged.get("reward_std", _NONE)
    axis.set_title("GRPO · weighted sum of rewards")
    if not _require_points(axis, reward):
        return
    if np.array_equal(deviation.steps, reward.steps):
        low, high = (Series(reward.steps, reward.values + sign * deviation.values) for sign in (-1, 1))
        _draw_band(axis, low, high, SERIES[0], "± std of completions")
    _draw_smoothed(axis, reward, SERIES[0], "running mean")
    axis.set_ylabel("reward")
    add_legend(axis)


def _draw_rewards(axis: Axes, logged: Mapping[str, Series]) -> None:
    names = _list_rewards(logged)
    axis.set_title("GRPO · rewards by function")
    if not _require_points(axis, *(logged[name] for name in names)):
        return
    for name, style in choose_styles(names).items():
        _draw_smoothed(axis, logged[name], style, name.split("/")[1].replace("_", " "))
    axis.set_ylabel("mean reward")
    add_legend(axis, columns=2)


def _draw_lengths(axis: Axes, logged: Mapping[str, Series]) -> None:
    mean = logged.get("completions/mean_length", _NONE)
    axis.set_title("GRPO · completion length")
    if not _require_points(axis, mean):
        return
    low, high = (logged.get(f"completions/{end}_length", _NONE) for end in ("min", "max"))
    if np.array_equal(low.steps, mean.steps) and np.array_equal(high.steps, mean.steps):
        _draw_band(axis, low, high, SERIES[0], "shortest to longest")
    _draw_smoothed(axis, mean, SERIES[0], "mean")
    axis.set_ylim(bottom=0)
    axis.set_ylabel("tokens")
    add_legend(axis)


def _draw_kl(axis: Axes, logged: Mapping[str, Series]) -> None:
    kl = logged.get("kl", _NONE)
    axis.set_title("GRPO · divergence from the start")
    if _require_points(axis, kl):
        _draw_smoothed(axis, kl, SERIES[0], "KL")
        axis.set_ylim(bottom=0)
        axis.set_ylabel("KL, nats a token")


def _draw_clipped(axis: Axes, logged: Mapping[str, Series]) -> None:
    clipped = logged.get("completions/clipped_ratio", _NONE)
    axis.set_title("GRPO · completions cut off at the limit")
    if _require_points(axis, clipped):
        _draw_smoothed(axis, clipped, SERIES[0], "clipped")
        axis.set_ylim(bottom=0, top=1.1 * np.nanmax([*clipped.values, 0.05]))
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_ylabel("share of completions")

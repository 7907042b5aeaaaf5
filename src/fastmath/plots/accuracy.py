"""Accuracy of the models of a run against the tokens that they may use."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter
from numpy.typing import NDArray

from fastmath.evaluation.metrics import SampleArrays, accuracy_curve
from fastmath.evaluation.tables import samples_of
from fastmath.plots.style import STYLE, SeriesStyle, choose_model_styles

_CURVE_POINTS = 80
_FIRST_PERCENTILE, _BEFORE = 1, 0.9
_LABEL_RATIO = 1.2


def plot_accuracy_against_tokens(report: Mapping[str, Any], samples: Mapping[str, SampleArrays]) -> Figure:
    """Three panels: pass@1 and majority@k against the token budget, and pass@1 against the tokens actually used.

    Args:
        report: report of the run, from `fastmath.evaluation.report.build_report`; its budgets are marked as points.
        samples: model name → samples that the report was computed from.
    """
    k = samples_of(report)
    marked = [entry["token_budget"] for entry in report["models"][0]["budgets"]]
    with plt.rc_context(dict(STYLE)):
        figure, (single, majority, spent) = plt.subplots(1, 3, figsize=(13, 4.4), sharey=True)
        budgets = make_budget_grid(samples, max(marked))
        styles = choose_model_styles([entry["name"] for entry in report["models"]])
        for entry in report["models"]:
            name = entry["name"]
            right, voted = accuracy_curve(samples[name], budgets, k, report["seed"])
            tokens = np.array([samples[name].cut(budget).tokens.mean() for budget in budgets])
            _draw_model(single, entry, styles[name], "pass@1", "token_budget", budgets, right)
            _draw_model(majority, entry, styles[name], f"majority@{k}", "token_budget", budgets, voted)
            _draw_model(spent, entry, styles[name], "pass@1", "mean_tokens", tokens, right)
        for axis, title in ((single, "pass@1"), (majority, f"majority@{k}")):
            axis.set_title(f"{title} under a token budget")
            axis.set_xlabel("token budget (a prefix of the same samples)")
            _mark_budgets(axis, marked)
            axis.set_xlim(budgets[0] * 0.97, budgets[-1] * 1.04)
        spent.set_title("pass@1 for the tokens spent")
        spent.set_xlabel("mean tokens a sample, under all budgets")
        single.set_ylabel("share of problems")
        single.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        single.set_ylim(-0.02, 1.02)
        figure.legend(
            *single.get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=9.5, handlelength=3
        )
    return figure


def make_budget_grid(samples: Mapping[str, SampleArrays], largest: int) -> NDArray[np.int64]:
    """Token budgets at which the curves are drawn, evenly spaced on a logarithmic axis up to the largest.

    They begin a tenth before the models begin to be right, at the 1st percentile of the lengths of all right samples.
    Below that every curve is nearly 0, and one short sample would leave most of the axis empty.

    Args:
        samples: model name → samples.
        largest: the largest budget, in tokens.
    """
    lengths = np.concatenate([arrays.tokens[arrays.correct] for arrays in samples.values()])
    first = int(_BEFORE * np.percentile(lengths, _FIRST_PERCENTILE)) if len(lengths) else 1
    first = min(max(1, first), largest)
    return np.unique(np.geomspace(first, largest, _CURVE_POINTS).round().astype(np.int64))


def _mark_budgets(axis: Axes, budgets: Sequence[int]) -> None:
    axis.set_xscale("log")
    ticks = sorted(set(budgets))
    axis.set_xticks(ticks, label_apart(ticks))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="x", which="minor", size=0)


def label_apart(ticks: Sequence[int]) -> list[str]:
    """A label for the largest tick, and downwards for those that are far enough below the last label to be read."""
    labels = []
    last = math.inf
    for tick in reversed(ticks):
        apart = tick * _LABEL_RATIO <= last
        labels.append(f"{tick:,}" if apart else "")
        last = tick if apart else last
    return labels[::-1]


def _draw_model(
    axis: Axes,
    entry: Mapping[str, Any],
    style: SeriesStyle,
    metric: str,
    across: str,
    places: NDArray[Any],
    curve: NDArray[np.float64],
) -> None:
    """Draw a curve (3, K) of values, lows and highs at K places, and a point with its 95 % interval for each budget.

    `across` is the key of the budget's entry for the x axis.
    """
    value, low, high = curve
    axis.fill_between(places, low, high, color=style.colour, alpha=0.13, linewidth=0)
    axis.plot(places, value, color=style.colour, linestyle=style.line)
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
        linestyle="none",
        color=style.colour,
        marker=style.marker,
        markersize=6,
        markeredgecolor="white",
        elinewidth=1.2,
    )
    # What the legend shows: the line with its marker.
    axis.plot([], [], color=style.colour, linestyle=style.line, marker=style.marker, label=entry["name"])

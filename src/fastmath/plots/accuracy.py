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
from fastmath.plots.style import STYLE, choose_colours

_CURVE_POINTS = 80
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
        colours = choose_colours([entry["name"] for entry in report["models"]])
        for entry in report["models"]:
            name = entry["name"]
            colour = colours[name]
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
        single.set_ylabel("share of problems")
        single.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        single.set_ylim(-0.02, 1.02)
        figure.legend(*single.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9.5)
    return figure


def make_budget_grid(samples: Mapping[str, SampleArrays], largest: int) -> NDArray[np.int64]:
    """Token budgets from the shortest sample's length to the largest budget, evenly spaced on a logarithmic axis."""
    shortest = max(1, min(int(arrays.tokens.min()) for arrays in samples.values()))
    return np.unique(np.geomspace(min(shortest, largest), largest, _CURVE_POINTS).round().astype(np.int64))


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


def _draw_points(axis: Axes, entry: Mapping[str, Any], metric: str, across: str, colour: str) -> None:
    """Draw one point per budget with its 95 % interval; `across` is the key of the budget's entry for the x axis."""
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

"""Accuracy of models against the tokens that they may use, as an interactive figure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fastmath.evaluation.metrics import SampleArrays, accuracy_curve
from fastmath.evaluation.tables import samples_of
from fastmath.plots.accuracy import label_apart, make_budget_grid
from fastmath.plots.plotly_style import EITHER, Theme, choose_run_colours, fade, make_layout

_DOMAINS = ((0.72, 1.0), (0.37, 0.65), (0.0, 0.25))
"""Shares of the height: of pass@1, of the majority, and of pass@1 for the tokens spent."""


def plot_accuracy_curves(
    report: Mapping[str, Any], samples: Mapping[str, SampleArrays], theme: Theme = EITHER
) -> go.Figure:
    """pass@1 and the majority against the token budget, and pass@1 against the tokens actually used.

    Pointing at a budget tells all models there, with 95 % intervals over problems; the markers are the budgets of the
    report.

    Args:
        report: report of the run, from `fastmath.evaluation.report.build_report`.
        samples: model name → samples that the report was computed from.
        theme: colours of what is no data.
    """
    k = samples_of(report)
    names = [entry["name"] for entry in report["models"]]
    colours = choose_run_colours(names)
    marked = sorted({budget["token_budget"] for budget in report["models"][0]["budgets"]})
    # The report's own budgets are among those of the lines, so that pointing at a marker tells its interval.
    budgets = np.union1d(make_budget_grid(samples, max(marked)), marked)
    figure = go.Figure()
    rises = max(marked)
    for entry in report["models"]:
        name = entry["name"]
        curves = accuracy_curve(samples[name], budgets.tolist(), k, report["seed"])
        rises = min(rises, _find_rise(budgets, curves[1][0]))
        for place, (curve, metric) in enumerate(zip(curves, ("pass@1", f"majority@{k}"), strict=True)):
            axes = {"xaxis": "x", "yaxis": ("y", "y2")[place]}
            traces = _draw_curve(name, metric, budgets, curve, colours[name], named=place == 0)
            figure.add_traces([trace.update(axes) for trace in traces])
            figure.add_trace(_draw_budgets(entry, metric, "token_budget", colours[name]).update(axes))
        spent = _draw_budgets(entry, "pass@1", "mean_tokens", colours[name], joined=True)
        figure.add_trace(spent.update(xaxis="x2", yaxis="y3"))
    figure.update_layout(make_layout(theme))
    titles = ("pass@1 under a token budget", f"majority@{k} under a token budget", "pass@1 for the tokens spent")
    _lay_out(figure, titles, marked, rises, theme)
    return figure


def _find_rise(budgets: NDArray[np.int64], values: NDArray[np.float64]) -> int:
    """The largest budget, of (B,), under which nothing is right yet: `values`, (B,), are shares."""
    nothing = np.flatnonzero(values == 0)
    return int(budgets[nothing[-1] if len(nothing) else 0])


def _draw_curve(
    name: str, metric: str, budgets: NDArray[np.int64], curve: NDArray[np.float64], colour: str, *, named: bool
) -> Iterator[go.Scatter]:
    """The line and its band; `curve` is (3, budgets) with the rows value, low and high."""
    value, low, high = curve
    told = f"{metric} <b>%{{y:.1%}}</b> (%{{customdata[0]:.1%}} to %{{customdata[1]:.1%}})<extra>{name}</extra>"
    yield go.Scatter(
        x=np.concatenate([budgets, budgets[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", mode="lines",
        line={"width": 0}, fillcolor=fade(colour, 0.13), hoverinfo="skip", legendgroup=name, showlegend=False,
        meta={"model": name, "metric": metric, "of": "band"},
    )  # fmt: skip
    yield go.Scatter(
        x=budgets, y=value, customdata=np.stack([low, high], axis=1), mode="lines", name=name, legendgroup=name,
        showlegend=named, line={"color": colour, "width": 2.2}, meta={"model": name, "metric": metric, "of": "curve"},
        hovertemplate=told,
    )  # fmt: skip


def _draw_budgets(
    entry: Mapping[str, Any], metric: str, across: str, colour: str, *, joined: bool = False
) -> go.Scatter:
    """The report's budgets; `across` is the key of a budget for the x axis."""
    budgets: Sequence[Mapping[str, Any]] = sorted(entry["budgets"], key=lambda budget: budget[across])
    values = np.array([budget[metric]["value"] for budget in budgets])
    low, high = (np.array([budget[metric][end] for budget in budgets]) for end in ("low", "high"))
    told = f"budget %{{text}} tokens: %{{x:,.1f}} used, pass@1 <b>%{{y:.1%}}</b><extra>{entry['name']}</extra>"
    return go.Scatter(
        x=[budget[across] for budget in budgets], y=values, mode="lines+markers" if joined else "markers",
        error_y={"type": "data", "array": high - values, "arrayminus": values - low, "thickness": 1.2, "width": 0},
        marker={"color": colour, "size": 7}, line={"color": colour, "width": 1}, legendgroup=entry["name"],
        name=entry["name"], showlegend=False, text=[f"{budget['token_budget']:,}" for budget in budgets],
        hoverinfo=None if joined else "skip", hovertemplate=told if joined else None,
        meta={"model": entry["name"], "metric": metric, "of": "spent" if joined else "budgets"},
    )  # fmt: skip


def _lay_out(figure: go.Figure, titles: Sequence[str], marked: Sequence[int], rises: int, theme: Theme) -> None:
    """Lay out the panels; `rises` is the budget from which on there is something to see, where the axis begins."""
    heads = [
        {"text": f"<b>{title}</b>", "x": 0, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left",
         "yanchor": "bottom", "showarrow": False}
        for title, (_, top) in zip(titles, _DOMAINS, strict=True)
    ]  # fmt: skip
    share = {"tickformat": ".0%", "range": [-0.02, 1.02]}
    figure.update_layout(
        height=760, hovermode="x unified", hoversubplots="axis", annotations=heads, uirevision="kept",
        xaxis={"type": "log", "range": [math.log10(rises), math.log10(1.03 * max(marked))], "anchor": "y2",
               "title": {"text": "token budget", "standoff": 4}, "tickmode": "array",
               "tickvals": list(marked), "ticktext": label_apart(marked), "hoverformat": ",.0f",
               "showspikes": True, "spikemode": "across", "spikethickness": 1, "spikecolor": theme.ink},
        xaxis2={"anchor": "y3", "title": {"text": "mean tokens a sample, at the marked budgets", "standoff": 4},
                "rangemode": "tozero", "hoverformat": ",.1f"},
        yaxis={"domain": _DOMAINS[0], **share}, yaxis2={"domain": _DOMAINS[1], "anchor": "x", **share},
        yaxis3={"domain": _DOMAINS[2], "anchor": "x2", **share},
        legend={"orientation": "h", "x": 0, "y": 1.05, "yanchor": "bottom"},
    )  # fmt: skip

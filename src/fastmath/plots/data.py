"""Figures of the training data."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fastmath.answers.integers import to_int
from fastmath.plots.style import (
    HATCHES,
    INK,
    MUTED,
    PALETTE,
    SERIES,
    STYLE,
    SeriesStyle,
    add_legend,
    choose_styles,
)

_FUNNEL_COLUMNS = 3


def plot_funnel(funnel: Mapping[str, Mapping[str, int]]) -> Figure:
    """What became of the rows: a panel a source, and in it a bar an outcome, kept rows first, then the most frequent.

    Args:
        funnel: source → outcome → number of rows, with the total under `rows`, as `fastmath.data.build.count_funnel`
            returns it; outcomes that begin with `GRPO` are not shown, because they do not count rows of the source.
    """
    counted = {source: list_outcomes(counts) for source, counts in funnel.items()}
    totals = Counter[str]()
    for outcomes in counted.values():
        totals.update(outcomes)
    order = ["kept", *(name for name, _ in totals.most_common() if name != "kept")]
    columns = min(len(funnel), _FUNNEL_COLUMNS) or 1
    rows = -(-len(funnel) // columns) or 1
    with plt.rc_context(dict(STYLE)):
        size = (2.6 + 3.4 * columns, 0.5 + rows * (0.8 + 0.32 * len(order)))
        figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
        for axis, (source, outcomes) in itertools.zip_longest(axes.flat, counted.items(), fillvalue=("", {})):
            axis.set_visible(bool(source))
            _draw_outcomes(axis, f"{source} · {funnel.get(source, {}).get('rows', 0):,} rows", order, outcomes)
        figure.supxlabel("% of the source's rows" if funnel else "no source was read", color=MUTED, fontsize=9.5)
    return figure


def list_outcomes(counts: Mapping[str, int]) -> dict[str, int]:
    """The outcomes of a source's rows in the SFT set."""
    return {name: count for name, count in counts.items() if name != "rows" and not name.startswith("GRPO")}


def _draw_outcomes(axis: Axes, title: str, order: Sequence[str], outcomes: Mapping[str, int]) -> None:
    counts = np.array([outcomes.get(name, 0) for name in order])
    shares = 100 * counts / max(counts.sum(), 1)
    axis.barh(order, shares, color=[PALETTE[2], *[MUTED] * (len(order) - 1)], height=0.62)
    for place, (count, share) in enumerate(zip(counts, shares, strict=True)):
        # Beside its bar, or within it where there is no room.
        inside = share > 70
        axis.text(
            share - 1 if inside else share + 1,
            place,
            f"{count:,}  ({share:.1f} %)" if count else "–",
            ha="right" if inside else "left",
            va="center",
            fontsize=8.5,
            color="white" if inside else INK,
        )
    axis.set(title=title, xlim=(0, 100), ylim=(len(order) - 0.4, -0.6))
    axis.grid(axis="y", visible=False)


def plot_lengths(tokens: Sequence[int], sources: Sequence[str]) -> Figure:
    """Histogram of the chosen traces' lengths, stacked by source, with the median marked.

    Args:
        tokens: length of each chosen trace, in tokens.
        sources: source of each chosen trace.
    """
    names = sorted(set(sources))
    groups = [[count for count, source in zip(tokens, sources, strict=True) if source == name] for name in names]
    with plt.rc_context(dict(STYLE)):
        figure, axis = plt.subplots(figsize=(8, 3.4))
        if groups:
            _draw_histogram(axis, dict(zip(names, groups, strict=True)), choose_styles(names), bins=40)
            median = float(np.median(tokens))
            axis.axvline(median, color=INK, linestyle="--", linewidth=1.2, label=f"median {median:,.0f} tokens")
        axis.set(xlabel="tokens of the chosen trace", ylabel="problems", title="How long the SFT traces are")
        add_legend(axis)
    return figure


def plot_accuracies(accuracies: Sequence[float], chosen: Sequence[bool]) -> Figure:
    """Histogram of the problems' accuracies, the chosen problems in colour, to show which difficulties were chosen.

    Args:
        accuracies: share of correct generations of each problem.
        chosen: whether each problem is in the SFT set.
    """
    groups = {
        name: [value for value, flag in zip(accuracies, chosen, strict=True) if flag is kept]
        for name, kept in (("chosen", True), ("left out", False))
    }
    styles = dict(zip(groups, (SERIES[2], dataclasses.replace(SERIES[6], hatch=HATCHES[1])), strict=True))
    with plt.rc_context(dict(STYLE)):
        figure, axis = plt.subplots(figsize=(8, 3.4))
        _draw_histogram(axis, groups, styles, bins=np.linspace(0, 1, 21))
        axis.set(xlabel="share of correct generations", ylabel="problems", title="How hard the problems are")
        add_legend(axis)
    return figure


def _draw_histogram(
    axis: Axes, groups: Mapping[str, Sequence[float]], styles: Mapping[str, SeriesStyle], bins: int | NDArray[Any]
) -> None:
    """Draw a stacked histogram of groups, with their names and sizes as labels."""
    axis.hist(
        list(groups.values()),
        bins=bins,
        stacked=True,
        label=[f"{name} ({len(values):,})" for name, values in groups.items()],
        color=[styles[name].colour for name in groups],
        hatch=[styles[name].hatch for name in groups],
    )


def plot_mix(answers: Sequence[str], sources: Sequence[str]) -> Figure:
    """Number of problems in the SFT set by kind of answer (see `describe_answer`), stacked by source."""
    kinds = [describe_answer(answer) for answer in answers]
    order = [kind for kind, _ in Counter(kinds).most_common()]
    with plt.rc_context(dict(STYLE)):
        figure, axis = plt.subplots(figsize=(8, 1.6 + 0.4 * len(order)))
        left = np.zeros(len(order))
        for name, style in choose_styles(sorted(set(sources))).items():
            counts = Counter(kind for kind, source in zip(kinds, sources, strict=True) if source == name)
            widths = np.array([counts[kind] for kind in order])
            label = f"{name} ({widths.sum():,})"
            axis.barh(order, widths, left=left, color=style.colour, hatch=style.hatch, label=label, height=0.6)
            left += widths
        axis.set(xlabel="problems", title="What the answers are")
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        add_legend(axis)
    return figure


def describe_answer(answer: str) -> str:
    r"""The kind of an answer: `integer 0-999`, `other integer`, `number`, `expression` or `text`.

    Example: `025` is an integer, `\frac{1}{2}` and `0.5` are numbers, `x+1` is an expression and `\text{odd}` text.
    """
    integer = to_int(answer)
    if integer is not None:
        return "integer 0-999" if 0 <= integer <= 999 else "other integer"
    if re.search(r"\\text|[A-Za-z]{3,}", re.sub(r"\\(?!text)[A-Za-z]+", "", answer)):
        return "text"
    without_commands = re.sub(r"\\[A-Za-z]+", "", answer)
    return "expression" if re.search(r"[A-Za-z,=<>]", without_commands) else "number"

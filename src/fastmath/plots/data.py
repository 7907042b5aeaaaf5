"""Figures of the training data."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from fastmath.answers.integers import to_int
from fastmath.plots.style import MUTED, PALETTE, STYLE


def plot_funnel(funnel: Mapping[str, Mapping[str, int]]) -> Figure:
    """One bar per source, split into the share of its rows that were kept and the shares that each rule dropped.

    Args:
        funnel: source → outcome → number of rows, with the total under `rows`, as `fastmath.data.build.count_funnel`
            returns it; outcomes that begin with `GRPO` are not shown, because they do not count rows of the source.
    """
    outcomes = {name for counts in funnel.values() for name in counts if not name.startswith("GRPO")}
    order = ["kept", *sorted(outcomes - {"rows", "kept"})]
    totals = np.array([counts["rows"] for counts in funnel.values()])
    bars = [f"{name}\n{total:,} rows" for name, total in zip(funnel, totals, strict=True)]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 1.6 + 0.22 * len(order) + 0.55 * len(funnel)))
        left = np.zeros(len(funnel))
        for name, colour in zip(order, [PALETTE[2], *PALETTE[:2], *PALETTE[3:], MUTED], strict=False):
            counts = np.array([row.get(name, 0) for row in funnel.values()])
            shares = 100 * counts / np.maximum(totals, 1)
            axis.barh(bars, shares, left=left, color=colour, label=f"{name} ({counts.sum():,})", height=0.6)
            left += shares
        axis.set(xlabel="% of the source's rows", title="What became of every row", xlim=(0, 100))
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        figure.legend(loc="outside lower left", ncols=2)
    return figure


def plot_lengths(tokens: Sequence[int], sources: Sequence[str]) -> Figure:
    """Histogram of the chosen traces' lengths, stacked by source, with the median marked.

    Args:
        tokens: length of each chosen trace, in tokens.
        sources: source of each chosen trace.
    """
    names = sorted(set(sources))
    groups = [[count for count, source in zip(tokens, sources, strict=True) if source == name] for name in names]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 3.2))
        if groups:
            axis.hist(groups, bins=40, stacked=True, label=names, color=PALETTE[: len(names)])
            median = float(np.median(tokens))
            axis.axvline(median, color=MUTED, linestyle="--", linewidth=1.2, label=f"median {median:,.0f} tokens")
        axis.set(xlabel="tokens of the chosen trace", ylabel="problems", title="How long the SFT traces are")
        axis.legend()
    return figure


def plot_accuracies(accuracies: Sequence[float], chosen: Sequence[bool]) -> Figure:
    """Histogram of the problems' accuracies, the chosen problems in colour, to show which difficulties were chosen.

    Args:
        accuracies: share of correct generations of each problem.
        chosen: whether each problem is in the SFT set.
    """
    groups = [[value for value, flag in zip(accuracies, chosen, strict=True) if flag is kept] for kept in (True, False)]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 3.2))
        labels = [f"{name} ({len(group):,})" for name, group in zip(("chosen", "left out"), groups, strict=True)]
        axis.hist(groups, bins=np.linspace(0, 1, 21), stacked=True, label=labels, color=[PALETTE[0], MUTED])
        axis.set(xlabel="share of correct generations", ylabel="problems", title="How hard the problems are")
        axis.legend()
    return figure


def plot_mix(answers: Sequence[str], sources: Sequence[str]) -> Figure:
    """Number of problems in the SFT set by kind of answer (see `describe_answer`), stacked by source."""
    kinds = [describe_answer(answer) for answer in answers]
    order = [kind for kind, _ in Counter(kinds).most_common()]
    names = sorted(set(sources))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 1.2 + 0.4 * len(order)))
        left = np.zeros(len(order))
        for name, colour in zip(names, PALETTE, strict=False):
            counts = Counter(kind for kind, source in zip(kinds, sources, strict=True) if source == name)
            widths = np.array([counts[kind] for kind in order])
            axis.barh(order, widths, left=left, color=colour, label=f"{name} ({widths.sum():,})", height=0.6)
            left += widths
        axis.set(xlabel="problems", title="What the answers are")
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.legend()
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

"""Figures of the training data and of supervised training, and readable traces."""

import html
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars
from matplotlib.figure import Figure

from fastmath.evaluation.plots import MUTED, PALETTE, STYLE

MARKED_WORDS = ("wait", "check", "again")
"""Openings of re-checks; they are shown in grey, so that the eye finds what a shorter trace could leave out."""


def plot_funnel(funnel: Mapping[str, Mapping[str, int]]) -> Figure:
    """One bar a source, split into kept rows and rows dropped by each reason.

    Args:
        funnel: source → outcome → rows, with the total under `rows`, as `fastmath.data.build.count_funnel` gives it.
    """
    reasons = sorted({name for outcomes in funnel.values() for name in outcomes} - {"rows", "kept"})
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 1.4 + 0.5 * len(funnel)))
        left = np.zeros(len(funnel))
        for name, colour in zip(["kept", *reasons], [PALETTE[2], *PALETTE[:2], *PALETTE[3:], MUTED], strict=False):
            counts = np.array([outcomes.get(name, 0) for outcomes in funnel.values()])
            axis.barh(list(funnel), counts, left=left, color=colour, label=f"{name} ({counts.sum():,})", height=0.6)
            left += counts
        axis.set(xlabel="rows", title="What became of every row")
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        figure.legend(loc="outside lower left", ncols=3)
    return figure


def plot_lengths(tokens: Sequence[int], sources: Sequence[str]) -> Figure:
    """Histogram of the lengths of the chosen traces in tokens, stacked by source, with the median marked."""
    names = sorted(set(sources))
    groups = [[count for count, source in zip(tokens, sources, strict=True) if source == name] for name in names]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 3.2))
        axis.hist(groups, bins=40, stacked=True, label=names, color=PALETTE[: len(names)])
        median = float(np.median(tokens))
        axis.axvline(median, color=MUTED, linestyle="--", linewidth=1.2, label=f"median {median:,.0f} tokens")
        axis.set(xlabel="tokens of the chosen trace", ylabel="problems", title="How long the SFT traces are")
        axis.legend()
    return figure


def plot_losses(runs: Mapping[str, polars.DataFrame]) -> Figure:
    """Training loss and token accuracy against epochs, one line a run.

    Args:
        runs: name → rows of its `metrics.jsonl`, with `epoch`, `loss` and, where TRL logs it, `mean_token_accuracy`.
    """
    panels = {"loss": "loss (nats a token)", "mean_token_accuracy": "share of tokens predicted right"}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
        for axis, (column, label) in zip(axes, panels.items(), strict=True):
            for (name, metrics), colour in zip(runs.items(), PALETTE, strict=False):
                if column in metrics.columns:
                    points = metrics.select("epoch", column).drop_nulls()
                    axis.plot(points["epoch"], points[column], color=colour, label=name)
            axis.set(xlabel="epoch", title=label)
        axes[0].legend()
    return figure


def render_trace(problem: str, generation: str) -> str:
    """A problem and its trace as HTML, every character of theirs escaped, re-checks in grey."""
    lines = []
    for line in generation.splitlines():
        colour = MUTED if line.startswith(MARKED_WORDS) else "inherit"
        lines.append(f'<span style="color:{colour}">{html.escape(line)}</span>')
    body = "\n".join(lines)
    return f'<p><b>{html.escape(problem)}</b></p><pre style="line-height:1.3">{body}</pre>'

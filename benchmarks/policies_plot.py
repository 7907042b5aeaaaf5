"""The figure of `policies.py`: right answers against the limit, and what each rule gains over the full vote."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fastmath.plots.style import INK, MUTED, SERIES, STYLE, SeriesStyle, add_legend

OURS, FULL, TWO_LINES = "default", "full", "two-lines"
LABEL = "limit, as a share of what full votes of 16 take"


def plot_policies(scores: NDArray[np.float64], rules: Sequence[str], limits: Sequence[float]) -> Figure:
    """Two panels: right answers of few rules by limit, and gains over the full vote, paired by contest, of all.

    Only the kernel's rule, those of two lines and the public rules that are best at some limit have lines of their own;
    the others lie so close to each other that a band from the lowest to the highest says more.

    Args:
        scores: right answers (rules + oracle, limits, models, seeds); all rules play the same contests.
        rules: names of the rules, `default` and `full` among them.
        limits: time limits, as shares.
    """
    played = dict(zip(rules, scores[:-1].reshape(len(rules), len(limits), -1), strict=True))
    lines = [name for name in rules if name.startswith(TWO_LINES)]
    public = [name for name in rules if name not in (OURS, FULL, *lines)]
    means = np.array([played[name].mean(axis=1) for name in (FULL, *public)])
    best = list(dict.fromkeys((FULL, *public)[index] for index in means.argmax(axis=0)))
    with plt.rc_context(dict(STYLE)):
        figure, (right, gains) = plt.subplots(1, 2, figsize=(12, 4.8))
        oracle = scores[-1].reshape(len(limits), -1).mean(axis=1)
        right.plot(limits, oracle, color=MUTED, linestyle=":", label="oracle")
        _draw_rule(right, limits, played[OURS], SERIES[0], f"{OURS}, this kernel's rule", strong=True)
        right.plot(
            limits, means.max(axis=0), color=INK, linestyle=SERIES[1].line, marker="s", markersize=4.5, linewidth=1.6,
            label=f"best public rule ({', '.join(best)})",
        )  # fmt: skip
        _draw_rule(right, limits, played[FULL], SERIES[6], "full vote of 16")
        right.set(title="Right answers of 50", xlabel=LABEL, ylim=(0, 50))

        named = [name for name in best if name != FULL]
        others = [played[name] - played[FULL] for name in public if name not in named]
        if others:
            spread = np.array([each.mean(axis=1) for each in others])
            label = f"the other {len(others)} public rules"
            gains.fill_between(limits, spread.min(axis=0), spread.max(axis=0), color=SERIES[6].colour, alpha=0.45,
                               linewidth=0, label=label)  # fmt: skip
        for name, style in zip(named, SERIES[1:], strict=False):
            _draw_rule(gains, limits, played[name] - played[FULL], style, name)
        for name, line in zip(lines, ("--", ":"), strict=False):
            above = (played[name] - played[FULL]).mean(axis=1)
            gains.plot(limits, above, color=MUTED, linestyle=line, label=name, linewidth=1.2)
        _draw_rule(gains, limits, played[OURS] - played[FULL], SERIES[0], OURS, strong=True)
        gains.axhline(0, color=MUTED, linewidth=0.8)
        gains.set(title="More right answers than the full vote has", xlabel=LABEL)
        for axis in (right, gains):
            axis.set_xticks(limits, [f"{limit:g}" for limit in limits])
            add_legend(axis, columns=2)
    return figure


def _draw_rule(
    axis: Axes,
    limits: Sequence[float],
    values: NDArray[np.float64],
    style: SeriesStyle,
    label: str,
    strong: bool = False,
) -> None:
    """Draw means over contests, (limits, contests), with their 95 % band."""
    mean, error = values.mean(axis=1), 1.96 * values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
    axis.fill_between(limits, mean - error, mean + error, color=style.colour, alpha=0.2, linewidth=0)
    axis.plot(
        limits, mean, color=style.colour, linestyle=style.line, marker=style.marker, markersize=6 if strong else 4.5,
        linewidth=2.8 if strong else 1.6, label=label, zorder=3 if strong else 2,
    )  # fmt: skip

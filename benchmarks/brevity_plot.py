"""The figure of `brevity.py`: what each variant saves, and what that costs."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fastmath.plots.style import INK, MUTED, PALETTE, STYLE

PANELS: Mapping[str, str] = {
    "pass1_change": "pass@1",
    "majority_change": "majority@16",
    "pass16_change": "pass@16",
}
"""Figures against the tokens saved, and the titles of their panels."""


def plot_variants(result: Mapping[str, Any]) -> Figure:
    """Changes of accuracy against tokens saved, a point a variant with its intervals; up and to the right is better.

    Args:
        result: what `brevity.py` tells.
    """
    variants = {name: figures for name, figures in result["variants"].items() if figures["tokens_saved"][0] is not None}
    with plt.rc_context(dict(STYLE)):
        figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), sharex=True)
        for axis, (name, title) in zip(axes, PANELS.items(), strict=True):
            for variant, figures in variants.items():
                _draw_point(axis, figures["tokens_saved"], figures[name], variant, variant == result["winner"])
            allowed = np.mean([1 - start["oracle_tokens"] / start["tokens"] for start in result["starts"].values()])
            axis.axvline(allowed, color=MUTED, linewidth=1, linestyle=":")
            axis.axhline(0, color=MUTED, linewidth=1)
            axis.set(title=f"{title}: change against SFT", xlabel="tokens saved")
            axis.margins(x=0.15)
            axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        place = (allowed, axes[0].get_ylim()[0])
        axes[0].annotate("shortest valid traces", place, rotation=90, ha="right", va="bottom", color=MUTED)
    return figure


def _draw_point(axis: Axes, saved: list[float], change: list[float], name: str, is_winner: bool) -> None:
    colour = PALETTE[1] if is_winner else PALETTE[0]
    errors = [[[value - low], [high - value]] for value, low, high in (saved, change)]
    axis.errorbar(saved[0], change[0], errors[1], errors[0], color=colour, marker="o", capsize=2, linewidth=1)
    axis.annotate(
        name.replace("_", " "),
        (saved[0], change[0]),
        xytext=(5, 4),
        textcoords="offset points",
        fontsize=8,
        color=INK if is_winner else MUTED,
        weight="bold" if is_winner else "normal",
    )

"""The figure of `brevity.py`: what each variant saves, and what that costs."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fastmath.plots.style import MUTED, STYLE, SeriesStyle, choose_styles

PANELS: Mapping[str, str] = {
    "pass1_change": "pass@1",
    "majority_change": "majority@16",
    "pass16_change": "pass@16",
}
"""Figures against the tokens saved, and the titles of their panels."""


INTERPOLATED = "_interpolated"
"""End of the names of variants whose product lies between start and trained model."""
NAMES: Mapping[str, str] = {
    "published": "as published",
    "paper": "the paper's, in tokens",
    "among_right": "among right",
    "gdpo": "GDPO",
    "dler": "DLER",
    "ddca": "DDCA",
    "alp": "ALP",
    "laser_d": "Laser-D",
    "thinkprune": "ThinkPrune",
    "shorter_better": "ShorterBetter",
    "grpo_lead": "GRPO-LEAD",
}
"""Names of variants in the legend, where they are not those of `VARIANTS`."""


def plot_variants(result: Mapping[str, Any]) -> Figure:
    """Changes of accuracy against tokens saved, a point a variant with its intervals; up and to the right is better.

    A model between start and trained model has the colour and marker of the trained one, hollow.

    Args:
        result: what `brevity.py` tells.
    """
    variants = {name: figures for name, figures in result["variants"].items() if figures["tokens_saved"][0] is not None}
    bases = {name: name.removesuffix(INTERPOLATED) for name in variants}
    styles = choose_styles(list(dict.fromkeys(bases.values())))
    with plt.rc_context(dict(STYLE)):
        figure, axes = plt.subplots(1, 3, figsize=(13, 4.9), sharex=True)
        for axis, (name, title) in zip(axes, PANELS.items(), strict=True):
            for variant, figures in variants.items():
                base = bases[variant]
                label = _name(base, variant != base, len(figures["seeds"]), variant == result["winner"])
                _draw_point(axis, figures["tokens_saved"], figures[name], styles[base], variant != base, label)
            allowed = np.mean([1 - start["oracle_tokens"] / start["tokens"] for start in result["starts"].values()])
            axis.axvline(allowed, color=MUTED, linewidth=1, linestyle=":")
            axis.axhline(0, color=MUTED, linewidth=1)
            axis.set(title=f"{title}: change against SFT", xlabel="tokens saved")
            axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        place = (allowed, axes[0].get_ylim()[0])
        axes[0].annotate("shortest valid traces", place, rotation=90, ha="right", va="bottom", color=MUTED)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _name(base: str, interpolated: bool, seeds: int, wins: bool) -> str:
    name = NAMES.get(base, base.replace("_", " ")) + (", interpolated" if interpolated else "")
    return f"{name} ({seeds} seed{'s' if seeds > 1 else ''}{', wins' if wins else ''})"


def _draw_point(
    axis: Axes, saved: list[float], change: list[float], style: SeriesStyle, hollow: bool, label: str
) -> None:
    errors = [[[value - low], [high - value]] for value, low, high in (saved, change)]
    drawn = {"color": style.colour, "marker": style.marker, "markersize": 7, "capsize": 2, "linewidth": 1}
    drawn |= {"markerfacecolor": "white"} if hollow else {}
    axis.errorbar(saved[0], change[0], errors[1], errors[0], label=label, **drawn)

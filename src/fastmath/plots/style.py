"""The styling of all figures: each is drawn with the settings `STYLE` and written by `save_figure`."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2430", "#667085", "#e4e7ec"
"""Colours of text and strong lines, of labels, and of grid lines."""


PALETTE = ("#3b6fd8", "#e07b39", "#2a9d8f", "#b0549c", "#8a9a2b", "#5b5f97")
"""Colours of the series of a figure, in their order."""


MODEL_COLOURS: Mapping[str, str] = {
    "base": "#475467",
    "sft-epoch-1": "#98a2b3",
    "sft": "#3b6fd8",
    "grpo": "#e07b39",
    "awq": "#2a9d8f",
}


def choose_colours(models: Sequence[str]) -> dict[str, str]:
    """A colour for each model: those of a run have their own, the others what is left of `PALETTE`, in order."""
    left = itertools.cycle([colour for colour in PALETTE if colour not in map(MODEL_COLOURS.get, models)])
    return {name: MODEL_COLOURS[name] if name in MODEL_COLOURS else next(left) for name in models}


STYLE: Mapping[str, Any] = {
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": "#c3c8d2",
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.minor.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
"""Settings for `matplotlib.pyplot.rc_context`, inside which every figure is drawn."""


DPI = 200
"""Resolution of the PNG files, in dots per inch."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and close it, so that a notebook shows only the file and not the figure a second time."""
    figure.savefig(path, dpi=DPI)
    plt.close(figure)

"""The styling of all printed figures: each is drawn with the settings `STYLE` and written by `save_figure`.

Colours are those of Okabe and Ito, which the colour-blind tell apart. A line style, a marker or a hatch goes with each,
so that they are told apart in grey, too.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2430", "#667085", "#e4e7ec"
"""Colours of text and strong lines, of labels, and of grid lines."""


PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c")
"""Colours of the series of a figure, in their order: Okabe and Ito's, but for black and yellow, and a grey."""
LINES = ("-", (0, (5, 1.6)), (0, (1, 1.2)), (0, (5, 1.4, 1, 1.4)), (0, (9, 2)), (0, (3, 1.2, 1, 1.2, 1, 1.2)), "--")
"""Line styles of the series, in the same order."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Markers of the series, in the same order."""
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\", "++++")
"""Hatches of the series' areas, in the same order."""


@dataclass(frozen=True)
class SeriesStyle:
    """How one series is told apart from the others.

    Attributes:
        colour: its colour.
        line: its line style, as matplotlib takes it.
        marker: its marker.
        hatch: hatch of its areas; empty for none.
    """

    colour: str
    line: str | tuple[int, tuple[float, ...]]
    marker: str
    hatch: str


SERIES = tuple(map(SeriesStyle, PALETTE, LINES, MARKERS, HATCHES))
"""Styles of the series of a figure, in their order."""

MODEL_STYLES: Mapping[str, SeriesStyle] = {
    "base": SeriesStyle(INK, LINES[3], "D", ""),
    "sft-epoch-1": SeriesStyle(PALETTE[6], LINES[2], "v", ""),
    "sft": SeriesStyle(PALETTE[0], LINES[0], "o", ""),
    "grpo": SeriesStyle(PALETTE[5], LINES[0], "s", ""),
    # Over the line of `grpo`, which it may cover, and which shows between its dashes.
    "awq": SeriesStyle(INK, (0, (1.2, 2.4)), "^", ""),
}
"""Styles of the models of a run. `awq`, which is all but `grpo`, is dotted over it."""


def choose_styles(names: Sequence[str]) -> dict[str, SeriesStyle]:
    """A style for each series, in their order; they repeat after the last one."""
    return dict(zip(names, itertools.cycle(SERIES), strict=False))


def choose_model_styles(models: Sequence[str]) -> dict[str, SeriesStyle]:
    """A style for each model: those of a run have their own, the others what is left of `SERIES`, in order."""
    own = [MODEL_STYLES[name] for name in models if name in MODEL_STYLES]
    used = {style.colour for style in own}
    left = itertools.cycle([style for style in SERIES if style.colour not in used])
    return {name: MODEL_STYLES[name] if name in MODEL_STYLES else next(left) for name in models}


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
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
    "svg.hashsalt": "fastmath",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.minor.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
"""Settings for `matplotlib.pyplot.rc_context`, inside which every figure is drawn."""


LEGEND_ROW = 15.0
"""Height of a row of a legend, in points."""
DPI = 200
"""Resolution of the PNG files, in dots per inch."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, and as SVG beside it, and close it, so that a notebook shows the file alone.

    The same figure gives the same SVG.

    Args:
        figure: the figure.
        path: the PNG; the SVG has the same name with its own suffix.
    """
    figure.savefig(path, dpi=DPI)
    with plt.rc_context(STYLE):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


def add_legend(axis: Axes, columns: int = 3) -> None:
    """Put the legend of a panel between its title and its curves, where it covers neither; nothing without a label.

    Args:
        axis: the panel, with its title set.
        columns: most entries in a row.
    """
    handles, labels = axis.get_legend_handles_labels()
    if not handles:
        return
    columns = min(columns, len(handles))
    rows = -(-len(handles) // columns)
    axis.legend(handles, labels, loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, borderaxespad=0.2,
                columnspacing=1.2, handlelength=2.2)  # fmt: skip
    axis.set_title(axis.get_title(loc="left"), pad=STYLE["axes.titlepad"] + rows * LEGEND_ROW)

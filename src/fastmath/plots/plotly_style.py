"""The style of all interactive figures, and how they are shown: by plotly's own MIME type, without a network."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

RENDERER = "plotly_mimetype"
"""plotly's renderer that puts the figure itself into the notebook, and no script: JupyterLab draws it, trusted or not,
with the extension that comes with plotly."""
CONFIG: Mapping[str, Any] = {
    "displaylogo": False,
    "plotlyServerURL": "",
}
"""plotly.js's configuration: without its logo, and without a way to send a figure to a server. `responsive` is left
out: JupyterLab's extension fits figures to their place itself, and with it a figure loses its height there."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c")
"""Okabe and Ito's colours, which the colour-blind tell apart; without black and yellow, one of which is lost on a dark
and the other on a light ground."""
RIGHT, WRONG, CUT = "#009e73", "#d55e00", "#8c8c8c"
"""Colours of right, of wrong and of lost answers."""


@dataclass(frozen=True)
class Theme:
    """Colours of what is no data.

    Attributes:
        ground: behind everything; `rgba(0,0,0,0)` lets the page's own be seen.
        ink: text and strong lines.
        grid: grid lines.
        box: ground of hover labels and buttons.
        box_ink: text on it.
    """

    ground: str
    ink: str
    grid: str
    box: str
    box_ink: str


LIGHT = Theme("#ffffff", "#344054", "rgba(120,130,145,0.22)", "#ffffff", "#1f2430")
DARK = Theme("#111418", "#c3c8d2", "rgba(150,160,175,0.22)", "#1f2430", "#f2f4f7")
EITHER = Theme("rgba(0,0,0,0)", "#76808f", "rgba(128,138,152,0.25)", "#ffffff", "#1f2430")
"""For notebooks, which do not say whether they are light or dark: text that is read on both."""


def make_layout(theme: Theme = EITHER) -> dict[str, Any]:
    """The settings that all figures share, for `go.Figure.update_layout`."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zerolinecolor": theme.grid,
        "zeroline": False,
        "ticks": "",
    }
    return {
        "template": {"layout": {"xaxis": axis, "yaxis": axis, "colorway": list(COLOURS)}},
        "paper_bgcolor": theme.ground,
        "plot_bgcolor": theme.ground,
        "font": {"family": "system-ui, 'DejaVu Sans', sans-serif", "size": 12, "color": theme.ink},
        "hoverlabel": {
            "bgcolor": theme.box,
            "bordercolor": theme.grid,
            "font": {"color": theme.box_ink, "size": 11},
            "align": "left",
            "namelength": -1,
        },
        # Upright, in a margin of its own, where it hides neither legend nor lines.
        "modebar": {
            "orientation": "v",
            "bgcolor": "rgba(0,0,0,0)",
            "color": theme.ink,
            "activecolor": COLOURS[0],
            "remove": ["select2d", "lasso2d", "autoScale2d"],
        },
        "margin": {"l": 60, "r": 36, "t": 70, "b": 48},
    }


def make_button_style(theme: Theme = EITHER) -> dict[str, Any]:
    """The settings that all buttons and sliders share."""
    return {"bgcolor": theme.grid, "bordercolor": theme.grid, "font": {"color": theme.ink, "size": 11}}


def choose_run_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each run, in their order; they repeat after the last one."""
    return dict(zip(names, itertools.cycle(COLOURS), strict=False))


def fade(colour: str, opacity: float) -> str:
    """A colour with an opacity.

    Example: `#0072b2` with 0.2 gives `rgba(0,114,178,0.2)`.
    """
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({','.join(map(str, parts))},{opacity:g})"


def show_figure(figure: go.Figure) -> None:
    """Show a figure in a notebook, so that hover, legend, zoom and its sliders also work without a kernel."""
    from IPython.display import display  # late: a contest's process makes figures, and has no Jupyter on Kaggle

    display(make_bundle(figure), raw=True)


def make_bundle(figure: go.Figure) -> dict[str, Any]:
    """A figure as a notebook keeps it: by MIME type, with words for readers that cannot draw it."""
    bundle = pio.renderers[RENDERER].to_mimebundle(figure.to_dict())
    drawn = {kind: content | {"config": dict(CONFIG)} for kind, content in bundle.items()}
    return drawn | {"text/plain": "an interactive figure, which JupyterLab draws with the extension of plotly"}

"""The curves of trainings as an interactive figure: panels above one another over the same steps.

All panels have one axis of steps, so that pointing anywhere tells all values of a step, and zooming into one panel
zooms into all. Faint lines are single steps, strong ones their running mean.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fastmath.plots.lines import Curves, CurveSet, Line
from fastmath.plots.marks import Kind, Mark
from fastmath.plots.panels import Panel
from fastmath.plots.plotly_style import (
    COLOURS,
    CUT,
    EITHER,
    RIGHT,
    WRONG,
    Theme,
    choose_run_colours,
    fade,
    make_button_style,
    make_layout,
)
from fastmath.plots.series import choose_window

_PANEL, _GAP, _EVENTS, _CONTROLS, _BOTTOM = 100, 32, 20, 74, 50
"""Heights in pixels: of a panel, of the space above it, of one run's events, of the controls, and of what is below."""
_EVENT_LOOKS: dict[Kind, tuple[str, str, str]] = {
    "checkpoint": ("circle-open", CUT, "checkpoint"),
    "warning": ("triangle-up", COLOURS[1], "the guard warned"),
    "stop": ("x", WRONG, "the guard ended it"),
    "product": ("star", RIGHT, "product"),
}
"""Symbol, colour and name in the legend of the events of a kind."""
_DIGITS = ".4~g"


def plot_curves(
    curve_set: CurveSet,
    window: int | None = None,
    *,
    slider: bool = True,
    colours: Mapping[str, str] | None = None,
    theme: Theme = EITHER,
) -> go.Figure:
    """Draw trainings of one kind, each in its colour, one quantity a panel.

    Args:
        curve_set: what to draw.
        window: window by which lines are smoothed at first; None takes the one nearest to a tenth of the longest.
        slider: whether the figure carries a slider for the smoothing, which needs no kernel.
        colours: name of a run → its colour; None gives them by their order.
        theme: colours of what is no data.
    """
    most = max((curves.logged for curves in curve_set.curves), default=0)
    window = choose_window(curve_set.windows, most) if window is None else window
    names = [curves.name for curves in curve_set.curves]
    colours = choose_run_colours(names) if colours is None else colours
    figure = go.Figure()
    axes = {panel.metric: f"y{place + 2}" for place, panel in enumerate(curve_set.panels)}
    for curves in curve_set.curves:
        for panel in curve_set.panels:
            if panel.metric in curves.lines:
                traces = _draw_line(curves, panel, window, colours[curves.name], len(names))
                figure.add_traces([trace.update(xaxis="x", yaxis=axes[panel.metric]) for trace in traces])
    _name_once(figure)
    figure.add_traces(list(_draw_events(curve_set.curves)))
    figure.update_layout(make_layout(theme))
    _lay_out(figure, curve_set, theme)
    if curve_set.panels:
        figure.update_layout(updatemenus=_make_menus(curve_set.panels, theme))
    if slider and len(curve_set.windows) > 1:
        figure.update_layout(sliders=[_make_slider(figure, curve_set, window, theme)])
    return figure


def _draw_line(curves: Curves, panel: Panel, window: int, colour: str, together: int) -> Iterator[go.Scatter]:
    """The band, the values and the running mean; `together` is the number of runs that are drawn."""
    line = curves.lines[panel.metric]
    common: dict[str, Any] = {"x": line.steps, "name": curves.name, "legendgroup": curves.name, "legendrank": 1}
    meta = {"metric": panel.metric, "run": curves.name}
    if line.low is not None and line.high is not None:
        steps, ends = _enclose(line)
        spread = f"{curves.name}: spread"
        yield go.Scatter(
            x=steps, y=ends, mode="lines", line={"width": 0}, fill="toself", fillcolor=fade(colour, 0.16),
            hoverinfo="skip", name=spread, legendgroup=spread, legendrank=2, meta=meta | {"of": "band"},
            visible=True if together == 1 else "legendonly",  # several on one another are a blur
        )  # fmt: skip
    yield go.Scatter(
        **common, y=_to_float32(line.values), mode="lines+markers" if panel.measured else "lines",
        line={"width": 1.8 if panel.measured else 1, "color": colour if panel.measured else fade(colour, 0.45)},
        marker={"size": 6, "color": colour}, connectgaps=False, showlegend=False, meta=meta | {"of": "values"},
        customdata=None if line.low is None else np.stack([line.low, line.high], axis=1).astype(np.float32),
        hovertemplate=_describe_hover(curves, panel, line),
    )  # fmt: skip
    if not panel.measured:
        yield go.Scatter(
            **common, y=_to_float32(line.smoothed[window]), mode="lines", line={"width": 2, "color": colour},
            hoverinfo="skip", meta=meta | {"of": "smoothed"},
        )  # fmt: skip


def _describe_hover(curves: Curves, panel: Panel, line: Line) -> str:
    """What is said of a point; a measurement, which the nearest step may not have, says its own."""
    form = ".1%" if panel.unit == "share" else _DIGITS
    unit = "" if panel.unit in ("", "share") else f" {panel.unit}"
    said = f"{panel.title} <b>%{{y:{form}}}</b>{unit}"
    if line.low is not None:
        said += f" (%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}})"
    return f"{said}{' at step %{x}' if panel.measured else ''}<extra>{curves.name}</extra>"


def _enclose(line: Line) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The outline of a band: forth along its upper and back along its lower end, (2K,), without the holes."""
    there = np.isfinite(line.low) & np.isfinite(line.high)
    steps, low, high = line.steps[there], line.low[there], line.high[there]
    return np.concatenate([steps, steps[::-1]]), _to_float32(np.concatenate([high, low[::-1]]))


def _to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Half the size in a notebook, and more digits than anybody reads."""
    return values.astype(np.float32)


def _name_once(figure: go.Figure) -> None:
    """Leave one entry of each group in the legend, which stands for all panels."""
    named: set[str] = set()
    for trace in figure.data:
        if trace.showlegend is None:
            trace.showlegend = trace.legendgroup not in named
            named.add(trace.legendgroup)


def _draw_events(all_curves: Sequence[Curves]) -> Iterator[go.Scatter]:
    """One line of symbols a run, above the panels."""
    for kind, (symbol, colour, name) in _EVENT_LOOKS.items():
        found = [(curves.name, mark) for curves in all_curves for mark in curves.marks if mark.kind == kind]
        if found:
            yield go.Scatter(
                x=[mark.step for _, mark in found], y=[run for run, _ in found], xaxis="x", yaxis="y",
                mode="markers", name=name, legendgroup=kind, text=[mark.text for _, mark in found],
                marker={"symbol": symbol, "color": colour, "size": 10, "line": {"width": 1.5, "color": colour}},
                hovertemplate="%{text}<extra>%{y}</extra>", meta={"of": kind},
            )  # fmt: skip


def _list_vertical_lines(all_curves: Sequence[Curves]) -> list[dict[str, Any]]:
    """A line through all panels at each event that is more than a checkpoint."""
    marks: list[Mark] = [mark for curves in all_curves for mark in curves.marks if mark.kind != "checkpoint"]
    return [
        {
            "type": "line", "x0": mark.step, "x1": mark.step, "y0": 0, "y1": 1, "xref": "x", "yref": "paper",
            "line": {"width": 1, "dash": "dot", "color": _EVENT_LOOKS[mark.kind][1]}, "layer": "below",
            "legendgroup": mark.kind,
        }
        for mark in marks
    ]  # fmt: skip


def _lay_out(figure: go.Figure, curve_set: CurveSet, theme: Theme) -> None:
    panels, runs = curve_set.panels, max(1, len(curve_set.curves))
    events = _EVENTS * runs if any(curves.marks for curves in curve_set.curves) else 0
    inner = max(1, events + len(panels) * (_PANEL + _GAP))
    notes = [text for text in (curve_set.describe_thinning(), curve_set.describe_absent()) if text]
    annotations = []
    top = inner - events
    for place, panel in enumerate(panels):
        top -= _GAP
        figure.update_layout({f"yaxis{place + 2}": _make_axis(panel, (top - _PANEL) / inner, top / inner)})
        unit = f"  <span style='opacity:0.75'>{panel.unit}</span>" if panel.unit not in ("", "share") else ""
        annotations.append(
            {"text": f"<b>{panel.title}</b>{unit}", "x": 0, "y": top / inner, "xref": "paper", "yref": "paper",
             "xanchor": "left", "yanchor": "bottom", "showarrow": False, "hovertext": panel.about}
        )  # fmt: skip
        top -= _PANEL
    if not panels:
        nothing = {"text": "nothing is logged yet", "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
        annotations.append(nothing | {"showarrow": False})
    if notes:
        annotations.append(
            {"text": "<br>".join(notes), "x": 0, "y": 0, "xref": "paper", "yref": "paper", "yshift": -40,
             "xanchor": "left", "yanchor": "top", "align": "left", "showarrow": False, "font": {"size": 11}}
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": {"text": "optimiser step", "standoff": 4}, "anchor": f"y{len(panels) + 1}", "showspikes": True,
               "spikemode": "across", "spikethickness": 1, "spikedash": "solid", "spikecolor": theme.ink},
        yaxis={"domain": [(inner - events) / inner, 1], "type": "category", "autorange": "reversed",
               "categoryarray": [curves.name for curves in curve_set.curves], "fixedrange": True, "showgrid": False,
               "showticklabels": runs > 1, "automargin": True, "visible": events > 0},
        hovermode="x unified", hoversubplots="axis", annotations=annotations, uirevision="kept",
        shapes=_list_vertical_lines(curve_set.curves),
        legend={"orientation": "h", "x": 0, "y": 1 + _CONTROLS / inner, "yanchor": "bottom"},
        height=inner + 2 * _CONTROLS + _BOTTOM + 18 * len(notes),
        margin={"l": 60, "r": 36, "t": _CONTROLS + 34, "b": _BOTTOM + 18 * len(notes)},
    )  # fmt: skip


def _make_axis(panel: Panel, bottom: float, top: float) -> dict[str, Any]:
    form = {"tickformat": ".0%"} if panel.unit == "share" else {"tickformat": _DIGITS}
    return {"domain": [max(0.0, bottom), top], "anchor": "x", "nticks": 5, "automargin": True, **form}


def _make_slider(figure: go.Figure, curve_set: CurveSet, window: int, theme: Theme) -> dict[str, Any]:
    """A slider of plotly's own, which carries all smoothed lines and so needs no kernel."""
    places = [place for place, trace in enumerate(figure.data) if (trace.meta or {}).get("of") == "smoothed"]
    lines = {curves.name: curves.lines for curves in curve_set.curves}
    steps = []
    for width in curve_set.windows:
        drawn = [lines[figure.data[place].meta["run"]][figure.data[place].meta["metric"]] for place in places]
        values = [_round(line.smoothed[width]) for line in drawn]
        label = "none" if width == 1 else f"{width:,}"
        steps.append({"method": "restyle", "label": label, "args": [{"y": values}, places]})
    return {
        "active": curve_set.windows.index(window), "steps": steps, "x": 0, "xanchor": "left", "len": 0.62, "y": 1,
        "yanchor": "bottom", "pad": {"t": 0, "b": 6},
        "currentvalue": {"prefix": "smoothed over steps: ", "font": {"size": 11, "color": theme.ink}},
        "tickcolor": theme.ink, "ticklen": 3, **make_button_style(theme),
    }  # fmt: skip


def _round(values: NDArray[np.float64]) -> list[float | None]:
    """Five digits, and null for a hole: the form of a slider's arguments."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def _make_menus(panels: Sequence[Panel], theme: Theme) -> list[dict[str, Any]]:
    """Buttons that switch logarithmic axes on and off: of the values that are never negative, and of the steps."""
    places = [f"yaxis{place + 2}" for place, panel in enumerate(panels) if panel.positive and panel.unit != "share"]
    menus = []
    for row, (what, axes) in enumerate({"log steps": ["xaxis"], "log values": places}.items()):
        on, off = (
            {f"{axis}.type": kind for axis in axes} | {f"{axis}.autorange": True for axis in axes}
            for kind in ("log", "linear")
        )
        menus.append(
            {"type": "buttons", "buttons": [{"label": what, "method": "relayout", "args": [on], "args2": [off]}],
             "active": -1, "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom", "pad": {"b": 4 + 33 * row},
             **make_button_style(theme)}
        )  # fmt: skip
    return menus

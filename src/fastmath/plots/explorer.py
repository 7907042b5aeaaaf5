"""The curves of GRPO to be explored with a kernel: smoothing, steps, panels and runs, and a step's completions."""

import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from fastmath.plots.completions import render_completions
from fastmath.plots.curves import plot_curves
from fastmath.plots.kernel_gate import offer
from fastmath.plots.lines import CurveSet, read_curve_set
from fastmath.plots.panels import MAIN_METRICS, Training
from fastmath.plots.plotly_style import CUT, choose_run_colours
from fastmath.plots.run_folders import find_runs
from fastmath.plots.series import choose_window
from fastmath.training.rollout_log import LoggedCompletion, read_completions, select_step

_TRAINING: Training = "grpo"
SHOWN = ("all", "right", "wrong", "cut")
"""Which completions are shown, by their outcome."""
_HINT = "Click a step in the curves, or type its number: the completions that it trained on appear here."


def explore_curves(run_dir: Path) -> widgets.VBox:
    """A button that opens the curves of a run's GRPO, and of the runs beside it, with their completions.

    Args:
        run_dir: the run folder; runs beside it are those of the same parent folder.
    """
    return offer("Explore the curves and a step's completions", lambda: CurveExplorer(run_dir).widget)


def choose_completions(completions: Iterable[LoggedCompletion], step: int, shown: str) -> list[LoggedCompletion]:
    """The completions that a step has trained on, of one outcome or of all.

    Args:
        completions: the logged completions of a training.
        step: the step.
        shown: one of `SHOWN`.
    """
    return [each for each in select_step(list(completions), step) if shown in ("all", each.outcome)]


class CurveExplorer:
    """The curves of several runs with controls, and the completions of a chosen step.

    Attributes:
        widget: everything together.
        figure: the curves.
        runs: which runs are drawn.
        panels: which quantities are drawn.
        window: number of steps by which lines are smoothed.
        span: first and last step that are drawn.
        step: the step whose completions are shown; 0 for none.
        shown: which of them are shown.
    """

    def __init__(self, run_dir: Path) -> None:
        """Read the runs.

        Args:
            run_dir: the run folder whose curves are drawn at first.
        """
        self._folders = find_runs(run_dir, _TRAINING)
        self._colours = choose_run_colours(list(self._folders))
        self._completions: dict[str, list[LoggedCompletion]] = {}
        whole = read_curve_set(self._folders, _TRAINING)
        self._windows = whole.windows
        titles = [(panel.title, panel.metric) for panel in whole.panels]
        main = [metric for _, metric in titles if metric in MAIN_METRICS[_TRAINING]]
        last = max((curves.steps[1] for curves in whole.curves), default=0)
        wide = {"layout": widgets.Layout(width="auto"), "style": {"description_width": "70px"}}
        names = list(self._folders)
        self.runs = widgets.SelectMultiple(
            description="runs", options=names, value=names[:1], rows=min(6, max(2, len(names))), **wide
        )
        self.panels = widgets.SelectMultiple(description="curves", options=titles, value=main, rows=6, **wide)
        self.window = widgets.SelectionSlider(
            description="smoothing",
            options=[("none" if width == 1 else f"{width:,} steps", width) for width in whole.windows],
            value=choose_window(whole.windows, last),
            **wide,
        )
        self.span = widgets.IntRangeSlider(
            description="steps", min=0, max=last, value=(0, last), continuous_update=False, **wide
        )
        self.step = widgets.BoundedIntText(description="step", min=0, max=last, value=0, **wide)
        self.shown = widgets.ToggleButtons(options=SHOWN, style={"button_width": "auto"})
        self._text = widgets.HTML(_HINT)
        self._curve_set = self._read()
        self.figure = go.FigureWidget(self._plot())
        self._events = self.figure.layout.shapes
        self._listen_to_clicks()
        for control in (self.runs, self.panels, self.span):
            control.observe(self._redraw, "value")
        self.window.observe(self._smooth, "value")
        for control in (self.step, self.shown):
            control.observe(self._show_step, "value")
        self.widget = self._arrange()

    def _arrange(self) -> widgets.VBox:
        sliders = widgets.VBox([self.window, self.span], layout=widgets.Layout(flex="1 1 260px"))
        controls = widgets.HBox([self.runs, self.panels, sliders], layout=widgets.Layout(flex_flow="row wrap"))
        tall = widgets.Layout(max_height="760px", overflow="auto")
        completions = widgets.VBox(
            [widgets.HBox([self.step, self.shown]), widgets.Box([self._text], layout=tall)],
            layout=widgets.Layout(flex="1 1 340px", min_width="300px"),
        )
        # A vertical box stretches the figure to its own width.
        curves = widgets.VBox([self.figure], layout=widgets.Layout(flex="2 1 520px", min_width="320px"))
        return widgets.VBox(
            [controls, widgets.HBox([curves, completions], layout=widgets.Layout(flex_flow="row wrap"))]
        )

    def _read(self) -> CurveSet:
        folders = {name: self._folders[name] for name in self.runs.value}
        chosen = {"metrics": self.panels.value, "span": self.span.value, "windows": self._windows}
        return read_curve_set(folders, _TRAINING, **chosen)

    def _plot(self) -> go.Figure:
        return plot_curves(self._curve_set, self.window.value, slider=False, colours=self._colours)

    def _redraw(self, _: Any = None) -> None:
        """Draw the chosen runs, panels and steps in the same widget, which has the script of plotly already."""
        self._curve_set = self._read()
        drawn = self._plot()
        self.figure.data = ()
        self.figure.add_traces(drawn.data)
        self.figure.layout = drawn.layout
        self._events = drawn.layout.shapes
        self._listen_to_clicks()
        self._show_step()

    def _smooth(self, _: Any) -> None:
        lines = {curves.name: curves.lines for curves in self._curve_set.curves}
        with self.figure.batch_update():
            for trace in self.figure.data:
                if trace.meta["of"] == "smoothed":
                    trace.y = lines[trace.meta["run"]][trace.meta["metric"]].smoothed[self.window.value]

    def _listen_to_clicks(self) -> None:
        for trace in self.figure.data:
            if trace.meta["of"] == "values" and trace.mode == "lines":  # not a measurement of another step
                trace.on_click(self._choose)

    def _choose(self, _: go.Scatter, points: Any, __: Any) -> None:
        if points.xs:  # every trace is told of every click
            self.step.value = int(points.xs[0])

    def _show_step(self, _: Any = None) -> None:
        step = self.step.value
        chosen = {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
        self.figure.layout.shapes = (
            (*self._events, chosen | {"line": {"width": 2, "color": CUT}}) if step else self._events
        )
        self._text.value = "".join(map(self._render, self.runs.value)) if step else _HINT

    def _render(self, run: str) -> str:
        """The chosen completions of one run, with a heading."""
        if run not in self._completions:
            self._completions[run] = read_completions(self._folders[run])
        there = self._completions[run]
        heading = f"<h4>{html.escape(run)}, step {self.step.value}</h4>"
        if not there:
            return f"{heading}<p>This run has logged no completions (`grpo.logged_completions`).</p>"
        chosen = choose_completions(there, self.step.value, self.shown.value)
        if not chosen:
            return f"{heading}<p>None of the logged completions of this step are {html.escape(self.shown.value)}.</p>"
        return heading + render_completions(chosen)

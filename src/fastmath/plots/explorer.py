"""The curves of GRPO to be explored with a kernel: smoothing, steps, panels and runs, and a step's completions."""

import html
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from fastmath.plots.completions import render_completions
from fastmath.plots.curves import plot_curves
from fastmath.plots.kernel_gate import offer
from fastmath.plots.lines import CurveSet, make_curve_set
from fastmath.plots.marks import read_marks
from fastmath.plots.panels import MAIN_METRICS, Training
from fastmath.plots.plotly_style import CUT, choose_run_colours
from fastmath.plots.run_folders import find_runs
from fastmath.plots.series import choose_window, choose_windows
from fastmath.runs.metrics import MetricsTail
from fastmath.training.rollout_log import LoggedCompletion, read_completions, select_step

_TRAINING: Training = "grpo"
SHOWN = ("all", "right", "wrong", "cut")
"""Which completions are shown, by their outcome."""
FOLLOW_SECONDS = 3.0
"""Time between two looks at the logs of runs that are being written, in seconds."""
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
        follow: whether runs that are being written are drawn again as they grow.
        step: the step whose completions are shown; 0 for none.
        shown: which of them are shown.
    """

    def __init__(self, run_dir: Path) -> None:
        """Read the runs.

        Args:
            run_dir: the run folder whose curves are drawn at first.
        """
        self._folders = find_runs(run_dir, _TRAINING)
        self._tails = {name: MetricsTail(folder / "metrics.jsonl") for name, folder in self._folders.items()}
        self._logs: dict[str, list[dict[str, Any]]] = {name: [] for name in self._folders}
        self._completions: dict[str, list[LoggedCompletion]] = {}
        self._colours = choose_run_colours(list(self._folders))
        self._drawing = threading.RLock()  # the thread that follows draws, too
        self._read_new()
        whole = make_curve_set(self._logs, _TRAINING)
        self._windows = choose_windows(max((row.get("max_steps", 0) for row in self._list_rows()), default=0))
        self._make_controls([(panel.title, panel.metric) for panel in whole.panels])
        self._curve_set = self._choose_lines()
        self.figure = go.FigureWidget(self._plot())
        self._events = self.figure.layout.shapes
        self._listen()
        self.widget = self._arrange()
        threading.Thread(target=self._keep_following, name="follow", daemon=True).start()

    def _make_controls(self, panels: Sequence[tuple[str, str]]) -> None:
        """Make the controls; `panels` are titles and metrics."""
        last, names = self._find_last_step(), list(self._folders)
        main = [metric for _, metric in panels if metric in MAIN_METRICS[_TRAINING]]
        windows = [("none" if width == 1 else f"{width:,} steps", width) for width in self._windows]
        wide: dict[str, Any] = {"layout": widgets.Layout(width="auto"), "style": {"description_width": "70px"}}
        rows = min(6, max(2, len(names)))
        self.runs = widgets.SelectMultiple(description="runs", options=names, value=names[:1], rows=rows, **wide)
        self.panels = widgets.SelectMultiple(description="curves", options=panels, value=main, rows=6, **wide)
        self.window = widgets.SelectionSlider(
            description="smoothing", options=windows, value=choose_window(self._windows, last), **wide
        )
        self.span = widgets.IntRangeSlider(
            description="steps", min=0, max=last, value=(0, last), continuous_update=False, **wide
        )
        self.follow = widgets.Checkbox(description="follow runs that are being written", value=True, indent=False)
        self.step = widgets.BoundedIntText(description="step", min=0, max=last, value=0, **wide)
        self.shown = widgets.ToggleButtons(options=SHOWN, style={"button_width": "auto"})
        self._text = widgets.HTML(_HINT)

    def _listen(self) -> None:
        for control in (self.runs, self.panels, self.span):
            control.observe(self._redraw, "value")
        self.window.observe(self._smooth, "value")
        for control in (self.step, self.shown):
            control.observe(self._show_step, "value")
        self._listen_to_clicks()

    def _listen_to_clicks(self) -> None:
        for trace in self.figure.data:
            if trace.meta["of"] == "values" and trace.mode == "lines":  # not a measurement of another step
                trace.on_click(self._choose_step)

    def _arrange(self) -> widgets.VBox:
        wrap = widgets.Layout(flex_flow="row wrap")
        sliders = widgets.VBox([self.window, self.span, self.follow], layout=widgets.Layout(flex="1 1 260px"))
        tall = widgets.Layout(max_height="760px", overflow="auto")
        completions = widgets.VBox(
            [widgets.HBox([self.step, self.shown], layout=wrap), widgets.Box([self._text], layout=tall)],
            layout=widgets.Layout(flex="1 1 340px", min_width="300px"),
        )
        # A vertical box stretches the figure to its own width.
        curves = widgets.VBox([self.figure], layout=widgets.Layout(flex="2 1 520px", min_width="320px"))
        controls = widgets.HBox([self.runs, self.panels, sliders], layout=wrap)
        return widgets.VBox([controls, widgets.HBox([curves, completions], layout=wrap)])

    def _list_rows(self) -> Iterator[dict[str, Any]]:
        return itertools.chain.from_iterable(self._logs.values())

    def _find_last_step(self) -> int:
        return max((row["step"] for row in self._list_rows()), default=0)

    def _read_new(self) -> bool:
        """Read what was written since the last time; whether there was anything."""
        grown = False
        for name, tail in self._tails.items():
            rows = list(tail.read_new())
            if rows:
                grown = True
                self._logs[name] += rows
                self._completions.pop(name, None)
        return grown

    def _keep_following(self) -> None:
        while True:
            time.sleep(FOLLOW_SECONDS)
            if self.follow.value:
                self.catch_up()

    def catch_up(self) -> None:
        """Draw what was written since the last time; steps that went to the last one go on to the new last one."""
        with self._drawing:
            if not self._read_new():
                return
            last, (first, end) = self._find_last_step(), self.span.value
            goes_on = end == self.span.max
            self.span.max = self.step.max = last
            if goes_on:
                self.span.value = (first, last)  # draws, if it changes
            self._redraw()

    def _choose_lines(self) -> CurveSet:
        logs = {name: self._logs[name] for name in self.runs.value}
        marks = {name: read_marks(self._folders[name]) for name in self.runs.value}
        chosen = {"metrics": self.panels.value, "span": self.span.value, "windows": self._windows}
        return make_curve_set(logs, _TRAINING, marks, **chosen)

    def _plot(self) -> go.Figure:
        return plot_curves(self._curve_set, self.window.value, slider=False, colours=self._colours)

    def _redraw(self, _: Any = None) -> None:
        """Draw what is chosen in the same widget, which has the script of plotly already."""
        with self._drawing:
            self._curve_set = self._choose_lines()
            drawn = self._plot()
            self._events = drawn.layout.shapes
            if [trace.meta for trace in drawn.data] == [trace.meta for trace in self.figure.data]:
                with self.figure.batch_update():  # the zoom and what the legend hides stay
                    for old, new in zip(self.figure.data, drawn.data, strict=True):
                        old.update(x=new.x, y=new.y, customdata=new.customdata)
            else:
                self.figure.data = ()
                self.figure.add_traces(drawn.data)
                self.figure.layout = drawn.layout
                self._listen_to_clicks()
            self._show_step()

    def _smooth(self, _: Any) -> None:
        with self._drawing, self.figure.batch_update():
            lines = {curves.name: curves.lines for curves in self._curve_set.curves}
            for trace in self.figure.data:
                if trace.meta["of"] == "smoothed":
                    trace.y = lines[trace.meta["run"]][trace.meta["metric"]].smoothed[self.window.value]

    def _choose_step(self, _: go.Scatter, points: Any, __: Any) -> None:
        if points.xs:  # every trace is told of every click
            self.step.value = int(points.xs[0])

    def _show_step(self, _: Any = None) -> None:
        step = self.step.value
        chosen = {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
        marked = [chosen | {"line": {"width": 2, "color": CUT}}] if step else []
        self.figure.layout.shapes = (*self._events, *marked)
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

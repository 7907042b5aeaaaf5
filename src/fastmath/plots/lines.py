"""The lines of a training, ready to be drawn: what the notebooks and the page have in common.

All lines of a training are drawn at the same steps, so that whoever points at one of them can be told all values of its
step. Smoothing is of all logged values, before any are left out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmath.plots.marks import Mark, read_marks
from fastmath.plots.panels import Panel, Training, list_panels
from fastmath.plots.series import Series, choose_windows, read_series, running_mean, thin_steps
from fastmath.runs.metrics import read_metrics

MOST_STEPS = 2000
"""Number of steps up to which every step is drawn."""


@dataclass(frozen=True)
class Line:
    """One quantity of one training, at the K steps at which it is drawn.

    Attributes:
        steps: (K,) int64, increasing.
        values: (K,) float64, as logged; NaN where there was no finite number.
        smoothed: window in logged values → (K,) running mean over it; 1 gives the values themselves. A measurement has
            this one alone.
        low: (K,) lower end of the spread or interval; None where there is none.
        high: (K,) its upper end.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    smoothed: Mapping[int, NDArray[np.float64]]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Curves:
    """Everything that is drawn of one training.

    Attributes:
        name: name of the run.
        lines: metric of a panel → its line; one that was not logged is left out.
        marks: what happened at single steps.
        logged: number of logged steps.
        drawn: number of drawn steps, which is smaller for a long training.
    """

    name: str
    lines: Mapping[str, Line]
    marks: tuple[Mark, ...]
    logged: int
    drawn: int

    @property
    def steps(self) -> tuple[int, int]:
        """The first and the last step that is drawn; 0 and 0 where nothing was logged."""
        ends = [int(line.steps[place]) for line in self.lines.values() for place in (0, -1)]
        return min(ends, default=0), max(ends, default=0)


@dataclass(frozen=True)
class CurveSet:
    """The trainings that are drawn together.

    Attributes:
        training: which stage they are of.
        panels: what is drawn, in the order in which it is read; some training has logged it.
        absent: panels of which nothing was logged.
        windows: windows by which every line may be smoothed.
        curves: the trainings, in the order in which they were named.
    """

    training: Training
    panels: tuple[Panel, ...]
    absent: tuple[Panel, ...]
    windows: tuple[int, ...]
    curves: tuple[Curves, ...]

    def describe_thinning(self) -> str:
        """Which steps are not drawn, in words; empty where all are."""
        thinned = [each for each in self.curves if each.drawn < each.logged]
        if not thinned:
            return ""
        counts = "; ".join(f"{each.name}: {each.drawn:,} of {each.logged:,} steps" for each in thinned)
        return f"Drawn are {counts}: the lowest and the highest of every stretch. The smoothing is of all."

    def describe_absent(self) -> str:
        """What was not logged, and why that may be, in words; empty where everything was."""
        reasons = [f"{panel.title}{f' ({panel.absent})' if panel.absent else ''}" for panel in self.absent]
        return f"Not logged: {'; '.join(reasons)}." if reasons else ""


def read_curve_set(
    folders: Mapping[str, Path],
    training: Training,
    *,
    metrics: Collection[str] | None = None,
    span: tuple[int, int] | None = None,
    windows: Sequence[int] | None = None,
) -> CurveSet:
    """Read the logs of trainings of one kind; those that have not begun have no lines.

    Args:
        folders: name of a run → folder of its training, with `metrics.jsonl`.
        training: which stage they are of.
        metrics: metrics whose panels are drawn; None draws all.
        span: first and last step to draw; None draws all.
        windows: windows by which every line may be smoothed; None chooses them by the longest training.
    """
    logs = {name: read_metrics(folder / "metrics.jsonl") for name, folder in folders.items()}
    marks = {name: read_marks(folder) for name, folder in folders.items()}
    return make_curve_set(logs, training, marks, metrics=metrics, span=span, windows=windows)


def make_curve_set(
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
    training: Training,
    marks: Mapping[str, Sequence[Mark]] | None = None,
    *,
    metrics: Collection[str] | None = None,
    span: tuple[int, int] | None = None,
    windows: Sequence[int] | None = None,
    limit: int = MOST_STEPS,
) -> CurveSet:
    """The lines of trainings of one kind, from what they have logged.

    Args:
        logs: name of a run → rows of its `metrics.jsonl`.
        training: which stage they are of.
        marks: name of a run → its events; None for none.
        metrics: metrics whose panels are drawn; None draws all.
        span: first and last step to draw; None draws all.
        windows: windows by which every line may be smoothed; None chooses them by the longest training.
        limit: number of steps of a training up to which every step is drawn.
    """
    series = {name: read_series(rows) for name, rows in logs.items()}
    panels = list_panels(training, (metric for found in series.values() for metric in found))
    panels = [panel for panel in panels if metrics is None or panel.metric in metrics]
    there = {panel for panel in panels if any(panel.metric in found for found in series.values())}
    points = [len(found[panel.metric]) for found in series.values() for panel in there if panel.metric in found]
    windows = choose_windows(max(points, default=0)) if windows is None else tuple(windows)
    curves = []
    for name, found in series.items():
        own = [panel for panel in panels if panel.metric in found]
        lines = {panel.metric: _make_line(panel, found, windows) for panel in own}
        curves.append(_cut(name, lines, tuple((marks or {}).get(name, ())), span, limit))
    return CurveSet(
        training,
        tuple(panel for panel in panels if panel in there),
        tuple(panel for panel in panels if panel not in there),
        windows,
        tuple(curves),
    )


def _make_line(panel: Panel, found: Mapping[str, Series], windows: Sequence[int]) -> Line:
    series = found[panel.metric]
    smoothed = {width: running_mean(series.values, width) for width in ((1,) if panel.measured else windows)}
    if panel.deviation is not None and panel.deviation in found:
        deviation = _align(found[panel.deviation], series.steps)
        return Line(series.steps, series.values, smoothed, series.values - deviation, series.values + deviation)
    if panel.band is not None and all(end in found for end in panel.band):
        low, high = (_align(found[end], series.steps) for end in panel.band)
        return Line(series.steps, series.values, smoothed, low, high)
    return Line(series.steps, series.values, smoothed)


def _align(series: Series, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values of a series at these steps, (N,), NaN where it has none."""
    places = np.clip(np.searchsorted(series.steps, steps), 0, len(series) - 1)
    return np.where(series.steps[places] == steps, series.values[places], np.nan)


def _cut(
    name: str, lines: Mapping[str, Line], marks: tuple[Mark, ...], span: tuple[int, int] | None, limit: int
) -> Curves:
    """Leave out what lies outside the span, and then as many steps as the limit asks for."""
    first, last = span or (0, np.iinfo(np.int64).max)
    inside = {metric: _select(line, (line.steps >= first) & (line.steps <= last)) for metric, line in lines.items()}
    inside = {metric: line for metric, line in inside.items() if len(line.steps)}
    steps = thin_steps([Series(line.steps, line.values) for line in inside.values()], limit)
    logged = len(np.unique(np.concatenate([steps, *(line.steps for line in inside.values())])))
    drawn = {metric: _select(line, np.isin(line.steps, steps)) for metric, line in inside.items()}
    return Curves(name, drawn, tuple(mark for mark in marks if first <= mark.step <= last), logged, len(steps))


def _select(line: Line, chosen: NDArray[np.bool_]) -> Line:
    """The line at the chosen ones, (N,), of its steps."""
    return Line(
        line.steps[chosen],
        line.values[chosen],
        {width: values[chosen] for width, values in line.smoothed.items()},
        None if line.low is None else line.low[chosen],
        None if line.high is None else line.high[chosen],
    )

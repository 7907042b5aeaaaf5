"""The curves of the runs' trainings, with everything that a page needs to smooth them and to tell a step's values."""

import base64
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
from numpy.typing import NDArray

from fastmath.page.run_folders import Run
from fastmath.plots.curves import plot_curves
from fastmath.plots.lines import CurveSet, make_curve_set
from fastmath.plots.marks import read_marks
from fastmath.plots.panels import Training
from fastmath.plots.series import choose_window
from fastmath.runs.metrics import read_metrics

MOST_STEPS = 2000
"""Number of steps, of all runs together, up to which every step is drawn."""
_TOP = 40
"""Height of the legend, in pixels."""
FEWEST_STEPS = 200
"""Number of steps of one run that are drawn at least, however many runs there are."""


@dataclass(frozen=True)
class TrainingCurves:
    """The trainings of one kind.

    Attributes:
        training: which stage they are of.
        curve_set: what is drawn.
        absent: names of the runs that have not logged anything.
        data: what the page's script draws and tells: the figure, its smoothed lines, and what its panels show.
    """

    training: Training
    curve_set: CurveSet
    absent: tuple[str, ...]
    data: Mapping[str, Any]


def draw_trainings(runs: Sequence[Run], training: Training) -> TrainingCurves:
    """Draw the trainings of one kind, as many steps of each as a page of so many runs can hold."""
    limit = max(FEWEST_STEPS, MOST_STEPS // max(1, len(runs)))
    folders = {run.name: run.folder / training for run in runs}
    logs = {name: read_metrics(folder / "metrics.jsonl") for name, folder in folders.items()}
    marks = {name: read_marks(folder) for name, folder in folders.items()}
    read = make_curve_set(logs, training, marks, limit=limit)
    drawn = dataclasses.replace(read, curves=tuple(curves for curves in read.curves if curves.lines))
    absent = tuple(curves.name for curves in read.curves if not curves.lines)
    return TrainingCurves(training, drawn, absent, _write_data(drawn) if drawn.curves else {})


def _write_data(curve_set: CurveSet) -> dict[str, Any]:
    most = max(curves.logged for curves in curve_set.curves)
    figure = _draw(curve_set)
    places = [place for place, trace in enumerate(figure.data) if (trace.meta or {}).get("of") == "smoothed"]
    lines = {curves.name: curves.lines for curves in curve_set.curves}
    drawn = [lines[figure.data[place].meta["run"]][figure.data[place].meta["metric"]] for place in places]
    return {
        "figure": json.loads(plotly.io.to_json(figure)),
        "places": places,
        "windows": list(curve_set.windows),
        "window": choose_window(curve_set.windows, most),
        "smoothed": [[_pack(line.smoothed[width]) for line in drawn] for width in curve_set.windows],
        "panels": [
            {
                "metric": panel.metric,
                "title": panel.title,
                "unit": panel.unit,
                "about": panel.about,
                "log": panel.positive and panel.unit != "share",
            }
            for panel in curve_set.panels
        ],
    }


def _draw(curve_set: CurveSet) -> go.Figure:
    """The curves without the controls and notes of plotly: the page has its own, which keys reach and phones wrap."""
    figure = plot_curves(curve_set, slider=False)
    room = figure.layout.margin.t - _TOP
    notes = "<br>".join(filter(None, (curve_set.describe_thinning(), curve_set.describe_absent())))
    figure.layout.updatemenus = []
    figure.layout.annotations = [note for note in figure.layout.annotations if note.text != notes]
    figure.update_layout(legend={"y": 1.0}, margin={"t": _TOP}, height=figure.layout.height - room)
    return figure


def _pack(values: NDArray[np.float64]) -> dict[str, str]:
    """Values as plotly.js takes them: (K,) float32 in base64."""
    return {"dtype": "f4", "bdata": base64.b64encode(values.astype("<f4").tobytes()).decode()}

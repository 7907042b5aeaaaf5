"""The runs' accuracy against the tokens that they may use, in one figure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import plotly.io

from fastmath.evaluation.report import read_all_samples
from fastmath.evaluation.tables import samples_of
from fastmath.page.run_folders import Run
from fastmath.plots.accuracy_curves import plot_accuracy_curves
from fastmath.plots.plotly_style import choose_run_colours

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Dashes of the lines of runs, in their order."""


def draw_accuracy(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The figures as JSON: one of all runs if their reports fit together, else one for each that is evaluated."""
    reports = gather_reports(runs)
    samples = {run.name: read_all_samples(run.folder) for run in runs if run.report is not None}
    if fit_together(reports):
        figures = [_draw_together(reports, samples)]
    else:
        figures = [plot_accuracy_curves(report, samples[name]) for name, report in reports.items()]
    return [json.loads(plotly.io.to_json(figure)) for figure in figures]


def gather_reports(runs: Sequence[Run]) -> dict[str, Mapping[str, Any]]:
    """The reports of the runs that have been evaluated, by the runs' names."""
    return {run.name: run.report for run in runs if run.report is not None}


def fit_together(reports: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether one table and one figure can hold several reports: those of as many samples a problem."""
    return len(reports) > 1 and len({samples_of(report) for report in reports.values()}) == 1


def _draw_together(reports: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """The models of all runs; a colour stands for a model and a dash for a run."""
    entries = [(run, entry) for run, report in reports.items() for entry in report["models"]]
    owners = {f"{run}: {entry['name']}": (run, entry["name"]) for run, entry in entries}
    models = [entry | {"name": name} for name, (_, entry) in zip(owners, entries, strict=True)]
    merged = next(iter(reports.values())) | {"models": models}
    figure = plot_accuracy_curves(merged, {name: samples[run][model] for name, (run, model) in owners.items()})
    colours = choose_run_colours(list(dict.fromkeys(model for _, model in owners.values())))
    dashes = {run: _DASHES[place % len(_DASHES)] for place, run in enumerate(reports)}
    for trace in figure.data:
        run, model = owners[trace.meta["model"]]
        if trace.meta["of"] == "band":
            trace.visible = False  # so many bands are a blur
        else:
            trace.update(line={"color": colours[model], "dash": dashes[run]}, marker={"color": colours[model]})
    return figure

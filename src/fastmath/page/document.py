"""The page itself: what its sections show, and everything that a browser needs, in one file."""

import dataclasses
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined

from fastmath.evaluation import tables
from fastmath.page.accuracy import draw_accuracy, fit_together, gather_reports
from fastmath.page.comparisons import compare_runs
from fastmath.page.completions import gather_completions
from fastmath.page.contest import read_contest
from fastmath.page.embedding import embed_data, embed_script, render_markdown, write_policy
from fastmath.page.funnel import read_funnel
from fastmath.page.run_folders import Run, read_runs
from fastmath.page.samples import browse_samples
from fastmath.page.settings_table import list_circumstances, list_settings
from fastmath.page.trainings import draw_trainings
from fastmath.plots.outcomes import OUTCOMES
from fastmath.plots.plotly_style import COLOURS, CONFIG, DARK, LIGHT, RIGHT, Theme, choose_run_colours, make_layout
from fastmath.runs.files import write_aside
from fastmath.runs.progress import format_seconds
from fastmath.runs.stages import NOTEBOOKS

SCRIPTS = ("dom.js", "figures.js", "samples.js", "completions.js", "curves.js", "contest.js", "main.js")
"""The page's own scripts, in the order in which they stand in it."""
ON_DARK = {"#0072b2": "#4aa3df"}
"""Colours of the figures that are too dark on a dark ground → what stands for them there."""
STYLES = ("page.css", "parts.css")


def write_page(folders: Sequence[Path], path: Path) -> int:
    """Write the page of some runs, which needs no network and no other file; returns its size in bytes.

    Args:
        folders: the run folders; what a run has not done yet is said where it would stand.
        path: HTML file to write.

    Raises:
        fastmath.recipe.errors.SettingsError: a folder is named twice, or settings are of another version.
    """
    text = render_page(read_runs(folders))
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="replace")  # half a surrogate pair is no text
    return path.stat().st_size


def render_page(runs: Sequence[Run]) -> str:
    """The page of some runs as HTML."""
    environment = Environment(
        loader=PackageLoader("fastmath.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"markdown": render_markdown, "seconds": format_seconds, "paired": _pair_colour}
    library, own = plotly.offline.get_plotlyjs(), _read_scripts()
    return environment.get_template("page.html.jinja").render(
        policy=write_policy([library, own]),
        styles="\n".join(_read_asset(name) for name in STYLES),
        scripts=[embed_script(library), embed_script(own)],
        embed_data=embed_data,
        tables=tables,
        colours=choose_run_colours([run.name for run in runs]),
        runs=runs,
        **_make_sections(runs),
    )


def _make_sections(runs: Sequence[Run]) -> dict[str, Any]:
    """What each section shows, by the names that the templates have for it."""
    reports = gather_reports(runs)
    return {
        "stages": [stage for stage in NOTEBOOKS if any(state.stage == stage for run in runs for state in run.states)],
        "style": {
            "light": _make_theme(LIGHT),
            "dark": _make_theme(DARK),
            "config": dict(CONFIG),
            "colours": COLOURS,
            "right": RIGHT,
            "on_dark": ON_DARK,
        },
        "outcomes": OUTCOMES,
        "reports": reports,
        "together": fit_together(reports),
        "accuracy": draw_accuracy(runs),
        "comparisons": compare_runs(runs),
        "trainings": [draw_trainings(runs, training) for training in ("sft", "grpo")],
        "completions": gather_completions(runs),
        "samples": browse_samples(runs),
        "contests": {run.name: read_contest(run) for run in runs},
        "funnels": {run.name: read_funnel(run) for run in runs},
        "settings": list_settings(runs),
        "circumstances": list_circumstances(runs),
    }


def _pair_colour(colour: str) -> str:
    """A colour of the figures for style sheets, on a light and on a dark ground."""
    return f"light-dark({colour}, {ON_DARK.get(colour, colour)})"


def _make_theme(theme: Theme) -> dict[str, Any]:
    """The layout of figures on a light or a dark page, whose own ground is seen through them."""
    layout = make_layout(dataclasses.replace(theme, ground="rgba(0,0,0,0)"))
    return {name: value for name, value in layout.items() if name != "margin"}


def _read_scripts() -> str:
    """The page's own scripts as one, whose names are seen nowhere else."""
    return "(() => {\n'use strict';\n" + "\n".join(_read_asset(name) for name in SCRIPTS) + "\n})();"


def _read_asset(name: str) -> str:
    return (resources.files("fastmath.page") / "assets" / name).read_text(encoding="utf-8")

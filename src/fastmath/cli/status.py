"""`fastmath status`: where a run stands, while it goes on and afterwards."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.runs.progress import format_figure, format_seconds
from fastmath.runs.state import StageState, describe_run, find_runs

SHOWN = (
    *("loss", "mean_token_accuracy", "reward", "completions/mean_length", "kl"),
    *("answered", "questions", "correct", "tokens"),
)
"""Metrics that the table shows; `--json` has them all."""


def status(
    run: Annotated[str | None, typer.Argument(help="a run folder, or its name in runs/; the latest by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the states as one JSON object")] = False,
) -> None:
    """Show the stages of a run: their states, times and last metrics."""
    run_dir = find_run_folder(run)
    states = describe_run(run_dir)
    if as_json:
        typer.echo(json.dumps({"run_dir": str(run_dir), "stages": [dataclasses.asdict(state) for state in states]}))
        return
    typer.echo(str(run_dir))
    for state in states:
        typer.echo(describe_state(state, time.time()))


def find_run_folder(run: str | None) -> Path:
    """The folder of a run: a path from where the person stands, a name in `runs`, or None for the latest run there.

    Raises:
        SettingsError: there is no such run; the message lists those that there are.
    """
    runs = find_runs(REPOSITORY_FOLDER / "runs")
    candidates = runs[:1] if run is None else [Path.cwd() / run, REPOSITORY_FOLDER / "runs" / run]
    found = next((folder for folder in candidates if any(folder.glob("*/manifest.json"))), None)
    if found is None:
        known = ", ".join(folder.name for folder in runs) or "none"
        wanted = "no run" if run is None else f"no run {run!r}, neither here nor"
        raise SettingsError(f"there is {wanted} in {REPOSITORY_FOLDER / 'runs'}; runs there: {known}")
    return found


def describe_state(state: StageState, now: float) -> str:
    """One line on a stage: its state, how long it has taken, how far it has come, and its last metrics."""
    parts = [f"{state.stage:<14} {state.state}" + (f" ({state.error})" if state.error else "")]
    if state.seconds is not None:
        parts.append(format_seconds(state.seconds))
    if state.state == "running" and state.progress is not None:
        return " · ".join([*parts, state.progress.describe(now)])
    if state.state != "done" and state.progress is not None:
        parts.append(f"{state.progress.unit} {state.progress.done:,} of {state.progress.total or 0:,}")
    parts += [
        f"{name} {format_figure(value)}"
        for name, value in state.metrics.items()
        if (name in SHOWN or name.startswith("pass@1")) and (value is None or isinstance(value, int | float))
    ]
    if state.tokens_per_second is not None:
        parts.append(f"tokens/s {format_figure(state.tokens_per_second)}")
    if state.peak_memory_gib is not None:
        parts.append(f"{state.peak_memory_gib:.2f} GiB")
    return " · ".join(parts)

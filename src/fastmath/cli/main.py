"""The command line. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""

import dataclasses
import json
import logging
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from fastmath.cli.check import check_recipe
from fastmath.cli.kernel import KERNEL_FAILURES, kernel
from fastmath.cli.replay import replay
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER, parse_assignments
from fastmath.runs.locks import RunLockedError
from fastmath.runs.pipeline import make_stage, open_stage, run_stage, select_stages
from fastmath.runs.stage import MissingStageError, StageFailedError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(kernel, name="kernel")
app.command()(replay)

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


@app.callback()
def configure() -> None:
    """Train a maths-reasoning model to be right and then brief, and answer an olympiad's questions with it in time."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="a recipe in configs/, or a path to a YAML file")],
    run_dir: Annotated[
        Path | None, typer.Option(help="run folder; runs/RECIPE by default, runs/RECIPE-seedN with a seed")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="first stage")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last stage")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, a dotted key of a recipe")] = None,
    seed: Annotated[int | None, typer.Option(help="the same as --set seed=N")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="make the stages anew; what is there moves to superseded/")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the results as one JSON object")] = False,
) -> None:
    """Run a recipe's notebooks in order; stages that are up to date are skipped."""
    overrides = parse_assignments(assignments or [])
    if seed is not None:
        overrides["seed"] = seed
    stages = select_stages(first, last)
    default = f"{Path(recipe).stem}-seed{overrides['seed']}" if "seed" in overrides else Path(recipe).stem
    folder = REPOSITORY_FOLDER / (run_dir or Path("runs") / default)
    opened = open_stage(stages[0], recipe, str(folder), overrides, force)
    check_recipe(opened.recipe, opened.root, stages)
    for stage in () if force else stages:  # all before the first runs, which may take hours
        make_stage(stage, opened.recipe, folder).require_same_settings()
    results, started = [], time.monotonic()
    try:
        for position, stage in enumerate(stages, 1):
            _say(f"[{position}/{len(stages)}] {stage:<14}", as_json, newline=False)
            result = run_stage(stage, recipe, folder, overrides, force)
            results.append(result)
            _say(f"{result.outcome:<10}{result.seconds:8.1f} s{result.peak_memory_gib:8.2f} GiB", as_json)
    except KeyboardInterrupt:
        typer.echo("\ninterrupted; the same command goes on from where this one stopped", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps({"run_dir": str(folder), "stages": [dataclasses.asdict(result) for result in results]}))
        return
    _say(f"{len(stages)} stages in {time.monotonic() - started:.1f} s; run folder {folder}", as_json)
    if {"evaluate", "kernel"} & set(stages):  # otherwise the report tells of models that have been replaced
        _say_report(folder)


def _say(text: str, as_json: bool, newline: bool = True) -> None:
    if not as_json:
        typer.echo(text, nl=newline)


def _say_report(folder: Path) -> None:
    from fastmath.evaluation.report import render_table  # tables and metrics take a while, and end a run alone

    path = folder / "report.json"
    if path.exists():
        typer.echo("\n" + render_table(json.loads(path.read_text())))


def main() -> None:
    """The `fastmath` command; the project's own errors become a message and an exit code."""
    try:
        app()
    except SettingsError as error:
        _fail(error, EXIT_USAGE)
    except (RunLockedError, StageFailedError, MissingStageError, *KERNEL_FAILURES) as error:
        _fail(error, EXIT_FAILED)


def _fail(error: Exception, code: int) -> None:
    typer.echo(f"error: {error}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()

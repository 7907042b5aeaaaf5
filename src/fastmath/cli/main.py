"""The command line. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""

import dataclasses
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fastmath.cli.check import check_machine, check_recipe, check_sets
from fastmath.cli.compare import compare
from fastmath.cli.convert import convert
from fastmath.cli.doctor import doctor
from fastmath.cli.evaluate import evaluate
from fastmath.cli.export import export
from fastmath.cli.join import join
from fastmath.cli.kernel import KERNEL_FAILURES, kernel
from fastmath.cli.paths import begin_from, find_run, resolve_overrides, resolve_recipe
from fastmath.cli.plan import plan
from fastmath.cli.replay import replay
from fastmath.cli.replay_fit import replay_fit
from fastmath.cli.report import report
from fastmath.cli.stages import choose_stages, exiting_on_interrupt, run_and_say
from fastmath.cli.status import status
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe, parse_assignments
from fastmath.runs.locks import RunLockedError
from fastmath.runs.pipeline import make_stage, open_stage
from fastmath.runs.stage import MissingStageError, StageFailedError
from fastmath.runs.stages import NOTEBOOKS

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(kernel, name="kernel")
app.command()(compare)
app.command()(convert)
app.command()(doctor)
app.command()(evaluate)
app.command()(export)
app.command()(join)
app.command()(plan)
app.command()(replay)
app.command()(replay_fit)
app.command()(report)
app.command()(status)

EXIT_FAILED, EXIT_USAGE = 1, 2


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
    model: Annotated[
        str | None, typer.Option(help="model that the first stage begins from: a folder, or a Hub name with @COMMIT")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="make the stages anew; what is there moves to superseded/")
    ] = False,
    unplanned: Annotated[
        bool, typer.Option("--unplanned", help="start also what the plan says this machine cannot run")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the results as one JSON object")] = False,
) -> None:
    """Run a recipe's notebooks in order; stages that are up to date are skipped.

    With --model the run begins at --from with that model: what makes a model before it is left out, the data are built.
    """
    overrides = resolve_overrides(parse_assignments(assignments or []))
    if seed is not None:
        overrides["seed"] = seed
    recipe, folder = resolve_recipe(recipe), find_run(recipe, run_dir, overrides, model)
    if model is not None:
        overrides |= resolve_overrides(begin_from(model, first))
    stages = choose_stages(load_recipe(recipe, overrides), first, last, model is not None)
    opened = open_stage(stages[0], recipe, str(folder), overrides, force)
    check_recipe(opened.recipe, opened.root, stages)
    made = [make_stage(stage, opened.recipe, folder) for stage in stages]
    for stage in () if force else made:  # all before the first runs, which may take hours
        stage.require_same_settings()
    if not unplanned:
        pending = [stage.name for stage in made if force or not stage.is_current()]
        check_machine(opened.recipe, opened.root, folder, pending)
    results, started = [], time.monotonic()
    with exiting_on_interrupt():
        for position, stage in enumerate(stages, 1):
            title = f"[{position}/{len(stages)}] {stage}"
            results.append(run_and_say(title, stage, recipe, folder, overrides, force, as_json))
            if stage == "build_data":
                check_sets(opened.recipe, folder, stages)
    if as_json:
        typer.echo(json.dumps({"run_dir": str(folder), "stages": [dataclasses.asdict(result) for result in results]}))
        return
    typer.echo(f"{len(stages)} stages in {time.monotonic() - started:.1f} s")
    _say_report(folder, stages)
    typer.echo(f"look at {', '.join(Path(NOTEBOOKS[stage]).name for stage in stages)} in {folder}")


def _say_report(folder: Path, stages: Sequence[str]) -> None:
    from fastmath.evaluation.tables import render_table  # tables and metrics take a while, and end a run alone

    path = folder / "report.json"
    if path.exists() and {"evaluate", "kernel"} & set(stages):  # otherwise it tells of models that have been replaced
        typer.echo("\n" + render_table(json.loads(path.read_text())) + "\n")


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

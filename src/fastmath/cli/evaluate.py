"""`fastmath evaluate`: any models on any sets of problems, by the notebook that evaluates a run."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from fastmath.cli.check import check_recipe
from fastmath.cli.paths import resolve_overrides, resolve_recipe
from fastmath.cli.stages import exiting_on_interrupt, run_and_say
from fastmath.data.problem_files import name_problem_set
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER, parse_assignments
from fastmath.recipe.pins import HUB_SCHEME
from fastmath.runs.pipeline import open_stage

DEFAULT_RECIPE = "fast_math_r1_14b"


def evaluate(
    models: Annotated[list[str], typer.Option("--model", help="NAME=FOLDER, or NAME=OWNER/NAME@COMMIT of the Hub")],
    sets: Annotated[
        list[str],
        typer.Option(
            "--problems", help="JSONL, CSV or parquet of problem and answer, or hf://datasets/OWNER/NAME@COMMIT/FILE"
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="recipe whose sampling, prompt and engine are used; the paper's by default")
    ] = DEFAULT_RECIPE,
    samples: Annotated[int | None, typer.Option(min=1, help="samples per problem; the recipe's by default")] = None,
    first: Annotated[int | None, typer.Option(min=1, help="only the first problems of each set")] = None,
    budgets: Annotated[
        str | None, typer.Option(help="token budgets of the tables, separated by commas; the recipe's by default")
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(help="folder; runs/evaluate-SETS by default")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, a dotted key of a recipe")] = None,
    force: Annotated[bool, typer.Option("--force", help="begin anew; what is there moves to superseded/")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as one JSON object")] = False,
) -> None:
    """Sample models on sets of problems, and print pass@1, majority@k and pass@k under token budgets with intervals.

    What is drawn already is kept: the same command goes on after an interruption, and more samples, problems, sets or
    models add to it. The folder gets the executed notebook with its figures, the samples, and report.json.
    """
    named = {"evaluate.models": dict(map(_read_model, models)), "evaluate.sets": [_find_set(name) for name in sets]}
    chosen = {
        "evaluate.samples": samples,
        "evaluate.problems": first,
        "evaluate.budgets": None if budgets is None else _read_budgets(budgets),
    }
    given = {key: value for key, value in chosen.items() if value is not None or key == "evaluate.problems"}
    # Of the recipe this evaluation takes no model and no data, only how to sample.
    without = {"sft": None, "grpo": None, "quantize": None, "data.sources": []}
    overrides = without | named | given | resolve_overrides(parse_assignments(assignments or []))
    folder = REPOSITORY_FOLDER / "runs" / _name_folder(sets) if run_dir is None else Path.cwd() / run_dir
    recipe = resolve_recipe(recipe)
    stage = open_stage("evaluate", recipe, str(folder), overrides, force)
    check_recipe(stage.recipe, stage.root, ["evaluate"])
    _require_columns(sets)
    with exiting_on_interrupt():
        run_and_say("evaluate", "evaluate", recipe, folder, overrides, force, as_json)
    from fastmath.evaluation.tables import render_report  # tables and metrics take a while

    report = json.loads((folder / "report.json").read_text())
    typer.echo(json.dumps(report) if as_json else f"\n{render_report(report)}\n\nlook at 06_evaluate.ipynb in {folder}")


def _read_model(text: str) -> tuple[str, str]:
    """`NAME=PATH` with an absolute path where it is a folder; a Hub name stays as it is."""
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise SettingsError(f"--model {text!r} names no model; want NAME=FOLDER, or NAME=OWNER/NAME@COMMIT of the Hub")
    return name, str((Path.cwd() / path).resolve()) if (Path.cwd() / path).is_dir() else path


def _find_set(name: str) -> str:
    return name if name.startswith(HUB_SCHEME) else str((Path.cwd() / name).resolve())


def _require_columns(sets: list[str]) -> None:
    """Refuse a file on this machine whose first row cannot be read, before a model is loaded."""
    from fastmath.data.sources import read_problems  # takes a while

    for name in sets:
        if not name.startswith(HUB_SCHEME):
            next(read_problems(Path(_find_set(name))), None)


def _read_budgets(text: str) -> list[int]:
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", text):
        raise SettingsError(f"--budgets is {text!r}; want whole numbers of tokens, 8192,16384")
    return [int(part) for part in text.split(",")]


def _name_folder(sets: list[str]) -> str:
    return "evaluate-" + "+".join(map(name_problem_set, sets))

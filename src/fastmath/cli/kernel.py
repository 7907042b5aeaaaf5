"""`fastmath kernel …`: answer questions as in the contest, and build and check the package for Kaggle.

What brings transformers and vLLM, `contest.serving` and `contest.two_processes`, is imported in the commands that use
it: `--help` and wrong options need not wait for them.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from fastmath.answers.contests import CONTESTS
from fastmath.cli.paths import find_package, find_run, resolve_overrides, resolve_recipe
from fastmath.contest.gateway import find_server
from fastmath.contest.questions import GatewayError
from fastmath.contest.report import EmptyContestError
from fastmath.kaggle.metadata import PackageError, check_metadata
from fastmath.kaggle.package_check import Finding, check_package, write_held_out
from fastmath.kaggle.packaging import CONTEST_SOURCES, KAGGLE_PYTHON, PackageOptions, build_package
from fastmath.kaggle.wheels import (
    LISTS,
    MACHINES,
    PYTHONS,
    download_command,
    download_wheels,
    pin_wheels,
    require_built_for,
)
from fastmath.kernel.journal import JournalError
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.recipe.load import REPOSITORY_FOLDER, parse_assignments
from fastmath.runs.model_folder import ModelFolderError

kernel = typer.Typer(
    no_args_is_help=True, help="The inference kernel: answer questions, build and check what is submitted."
)

KERNEL_FAILURES = (EmptyContestError, GatewayError, JournalError, ModelFolderError, PackageError)
"""Errors of these commands that end them with exit code 1."""

RunDir = Annotated[Path | None, typer.Option(help="run folder with the quantised model; runs/nano by default")]
RecipeName = Annotated[str | None, typer.Option(help="recipe whose `kernel` section is used; the run's own by default")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as one JSON object")]


@kernel.command()
def serve(
    csv: Annotated[Path, typer.Option(help="questions: columns id, problem and, if known, answer")],
    output: Annotated[Path, typer.Option(help="folder for submission.parquet, questions.jsonl and report.json")],
    gateway: Annotated[Path | None, typer.Option(help="folder with the competition's kaggle_evaluation")] = None,
    contest: Annotated[str | None, typer.Option(help="aimo2 or aimo3; the run's own by default")] = None,
    run_dir: RunDir = None,
    recipe: RecipeName = None,
    two_processes: Annotated[bool, typer.Option("--two-processes", help="in two processes, as on Kaggle")] = False,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, a dotted key of a recipe")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer the problems of a CSV and write submission.parquet to the output folder.

    Without --gateway the project's own gateway asks the questions, by the same contract as the competition's.
    """
    overrides = parse_assignments(assignments or [])
    if contest is not None:
        require_known("--contest", contest, CONTESTS)
        overrides["kernel.profile"] = contest
    if two_processes and gateway is None:
        raise SettingsError(
            "--two-processes runs the competition's own gateway; say where its kaggle_evaluation is with --gateway"
        )
    from fastmath.contest.serving import answer_questions, load_served

    settings, model = load_served(find_run("nano", run_dir, {}), resolve_overrides(overrides), recipe)
    if two_processes:
        from fastmath.contest.two_processes import answer_in_two_processes

        report = answer_in_two_processes(settings, model, csv, output, gateway)
    else:
        server = None if gateway is None else find_server(settings.kernel.profile, gateway)
        if gateway is not None and server is None:
            raise GatewayError(f"there is no kaggle_evaluation for {settings.kernel.profile!r} in {gateway}")
        report = answer_questions(settings, model, csv, output, server)
    asked_by = "the project's own gateway" if gateway is None else f"kaggle_evaluation in {gateway}"
    report |= {"gateway": asked_by, "two_processes": two_processes, "submission": str(output / "submission.parquet")}
    if as_json:
        typer.echo(json.dumps(report))
        return
    processes = ", in a process of its own" if two_processes else ""
    typer.echo(f"asked by {asked_by}{processes}")
    correct = "" if report["correct"] is None else f", {report['correct']} right"
    votes = f"{report['by_vote']} by a vote, {report['by_fallback']} by the fallback"
    typer.echo(f"{report['answered']} of {report['questions']} questions answered in time: {votes}{correct}")
    typer.echo(f"{report['tokens']} tokens in {report['seconds']:.1f} s; {report['submission']}")


@kernel.command()
def build(
    output: Annotated[Path | None, typer.Option(help="folder of the package; dist/kernel by default")] = None,
    owner: Annotated[str | None, typer.Option(help="your name on Kaggle")] = None,
    machine: Annotated[str, typer.Option(help="target of the wheels: gpu (Kaggle), cpu (for `kernel check`)")] = "gpu",
    python: Annotated[str, typer.Option(help="Python of the wheels: 3.12 (Kaggle's image) or 3.11")] = KAGGLE_PYTHON,
    recipe: Annotated[
        str | None, typer.Option(help="recipe that travels with the wheels, a name or a path; the run's own by default")
    ] = None,
    contest: Annotated[str | None, typer.Option(help="aimo2 or aimo3; also sets competition and machine")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="run folder whose AWQ weights are linked for the upload")] = None,
    kernel_title: Annotated[str | None, typer.Option(help="title of the kernel, which gives its slug")] = None,
    dataset_title: Annotated[str | None, typer.Option(help="title of the dataset, which gives its slug")] = None,
    model_title: Annotated[str | None, typer.Option(help="title of the model, which gives its slug")] = None,
    variation: Annotated[str | None, typer.Option(help="variation of the model")] = None,
    model_version: Annotated[int | None, typer.Option(min=1, help="version of the model to mount")] = None,
    competition: Annotated[str | None, typer.Option(help="slug of the competition")] = None,
    docker_image: Annotated[str | None, typer.Option(help="Kaggle's image to run in, instead of its newest")] = None,
    machine_shape: Annotated[str | None, typer.Option(help="Kaggle's machine: NvidiaL4, NvidiaH100, …")] = None,
    download: Annotated[bool, typer.Option("--download", help="download the wheels into the dataset, too")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the package for Kaggle: notebook, dataset, metadata and, with --run-dir, the folder of the model."""
    require_known("--machine", machine, MACHINES)
    if contest is not None:
        require_known("--contest", contest, CONTEST_SOURCES)
    require_known("--python", python, PYTHONS)
    recipe = None if recipe is None else resolve_recipe(recipe)
    options = PackageOptions(
        machine, python, docker_image, recipe, contest, owner, kernel_title, dataset_title, model_title, variation,
        model_version, competition, machine_shape,
    )  # fmt: skip
    settings = model = None
    if run_dir is not None:
        from fastmath.contest.serving import load_served

        settings, model = load_served(find_run("nano", run_dir, {}), {}, recipe)
    folder = find_package(output)
    build_package(folder, options, REPOSITORY_FOLDER, model, settings)
    if download:
        download_wheels(folder / "dataset")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    wheels = [name for name in files if name.endswith(".whl")]
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "files": files, "machine": machine}))
        return
    for name in files:
        if name not in wheels or "fastmath-" in name:
            typer.echo(name)
    typer.echo(
        f"{len(wheels)} wheels; the others are downloaded by: cd {folder / 'dataset'} && {download_command(python)}"
    )


@kernel.command()
def check(
    package: Annotated[
        Path | None, typer.Option(help="package of `kernel build`, with this machine's wheels; dist/kernel by default")
    ] = None,
    wheels: Annotated[Path | None, typer.Option(help="the downloaded wheels; the package's dataset by default")] = None,
    run_dir: RunDir = None,
    python: Annotated[str | None, typer.Option(help="Python to check under; the package's own by default")] = None,
    csv: Annotated[Path | None, typer.Option(help="questions; three of the run's held-out ones by default")] = None,
    metadata_only: Annotated[bool, typer.Option("--metadata-only", help="do not run the notebook")] = False,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, a dotted key of a recipe")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the metadata and run the notebook as on Kaggle: a fresh environment, no package index, no network."""
    folder = find_package(package)
    if python is not None:
        require_known("--python", python, PYTHONS)
        require_built_for(folder / "dataset", python)
    if metadata_only:
        problems = check_metadata(folder)
        findings = [Finding("metadata", not problems, "; ".join(problems) or "as the kaggle client wants them")]
    else:
        from fastmath.contest.serving import load_served

        served = find_run("nano", run_dir, {})
        overrides = resolve_overrides(parse_assignments(assignments or []))
        model = load_served(served, {})[1]
        questions = csv or write_held_out(served, folder / "questions.csv")
        findings = check_package(folder, wheels or folder / "dataset", model, questions, overrides)
    seen = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            typer.echo(f"{'ok' if finding.holds else 'FAILED':<7}{finding.name}: {finding.detail}")
    holds = all(finding.holds for finding in seen)
    if as_json:
        typer.echo(json.dumps({"holds": holds, "findings": [dataclasses.asdict(finding) for finding in seen]}))
    if not holds:
        raise typer.Exit(1)


@kernel.command()
def pin(
    machine: Annotated[str, typer.Option(help="target of the wheels: gpu or cpu")],
    python: Annotated[str, typer.Option(help="Python of the wheels, which must be installed here")] = KAGGLE_PYTHON,
    as_json: AsJson = False,
) -> None:
    """Update the pins of all wheels for a machine, by pip's resolver under requirements/constraints.txt."""
    require_known("--machine", machine, MACHINES)
    require_known("--python", python, PYTHONS)
    counts = pin_wheels(machine, python, REPOSITORY_FOLDER)
    if as_json:
        typer.echo(json.dumps(counts))
        return
    for name, count in counts.items():
        typer.echo(f"{count} wheels in {REPOSITORY_FOLDER / LISTS / machine / python / name}")

"""`fastmath plan`: what a recipe costs on a machine, before anything starts."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fastmath.cli.paths import begin_from, find_run, resolve_overrides, resolve_recipe
from fastmath.cli.stages import choose_stages
from fastmath.planning.machine import GPUS, Machine, find_machine
from fastmath.planning.plan import Plan, make_plan
from fastmath.planning.stage_plan import StagePlan
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe, parse_assignments

ASSUMPTIONS = (
    "assumed: traces and completions as long as the paper's, 35 % of the GPUs' arithmetic and half of their memory's "
    "bandwidth in use; hours are right within a factor of two"
)


def plan(
    recipe: Annotated[str, typer.Argument(help="a recipe in configs/, or a path to a YAML file")],
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of a node; this machine's by default")] = None,
    memory: Annotated[
        float | None, typer.Option(min=0, help="memory of a GPU, or without GPUs of a node, in GiB")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help=f"model of the GPUs: {', '.join(GPUS)}")] = None,
    nodes: Annotated[int, typer.Option(min=1, help="number of nodes")] = 1,
    first: Annotated[str | None, typer.Option("--from", help="first stage")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last stage")] = None,
    model: Annotated[
        str | None, typer.Option(help="model that the first stage begins from: a folder, or a Hub name with @COMMIT")
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(help="run folder whose data are counted, if they are there")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, a dotted key of a recipe")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the plan as one JSON object")] = False,
) -> None:
    """Plan a recipe: memory of each GPU by stage, hours, disk. Exit code 1: it does not fit.

    Nothing is downloaded and no GPU is touched. A recipe may leave commits open; `fastmath run` wants them. The stages
    and the model are chosen as `fastmath run` chooses them.
    """
    overrides = resolve_overrides(parse_assignments(assignments or []))
    folder = find_run(recipe, run_dir, overrides, model)
    if model is not None:
        overrides |= resolve_overrides(begin_from(model, first))
    settings = load_recipe(resolve_recipe(recipe), overrides)
    machine = describe_machine(gpus, memory, gpu, nodes)
    stages = choose_stages(settings, first, last, model is not None)
    made = make_plan(settings, machine, REPOSITORY_FOLDER, folder, stages)
    typer.echo(json.dumps(describe_plan(made)) if as_json else "\n".join(render_plan(made)))
    if not made.fits:
        raise typer.Exit(1)


def describe_machine(gpus: int | None, memory: float | None, gpu: str | None, nodes: int) -> Machine:
    """The machine of the options; without any of the first three, this one.

    Raises:
        SettingsError: the model of the GPUs is unknown, or their memory is given by no option.
    """
    if gpu is not None:
        require_known("--gpu", gpu, GPUS)
    if gpus is None and memory is None and gpu is None:
        return dataclasses.replace(find_machine(), nodes=nodes)
    kind = None if gpu is None else GPUS[gpu]
    gib = memory if memory is not None else (None if kind is None else kind.memory_gib)
    if gib is None:
        raise SettingsError(f"--gpus {gpus} have no memory; say how much with --memory GIB, or which with --gpu MODEL")
    return Machine(1 if gpus is None else gpus, gib, nodes, kind, math.inf if gpus != 0 else gib)


def describe_plan(made: Plan) -> dict[str, object]:
    """A plan as one JSON object: memory and disk in GiB, an unlimited memory as null."""
    return {
        "recipe": made.recipe,
        "parameters": made.parameters,
        "gpus": made.machine.gpus,
        "nodes": made.machine.nodes,
        "memory_gib": _finite(made.machine.memory_gib),
        "fits": made.fits,
        "disk_gib": made.disk,
        "download_gib": made.download,
        "stages": [
            vars(stage)
            | {"memory_limit": _finite(stage.memory_limit), "total": stage.total, "fits": stage.fits}
            | {"facts": {name: _finite(value) for name, value in stage.facts.items()}}
            for stage in made.stages
        ],
    }


def render_plan(made: Plan) -> Iterator[str]:
    """A plan as lines of text."""
    machine = made.machine
    where = f"{machine.all_gpus} GPU{'s' * (machine.all_gpus > 1)} of {machine.memory_gib:.0f} GiB"
    if not machine.gpus:
        where = f"CPUs with {machine.memory_gib:.0f} GiB"
    yield f"{made.recipe}: {made.parameters / 1e9:,.4g} billion parameters, planned for {where}"
    unit, each = ("GPUs", "GiB each") if machine.gpus else ("processes", "GiB")
    yield f"{'stage':<14}{unit:>10}{each:>20}{'hours':>9}{'GiB on disk':>14}"
    for stage in made.stages:
        yield from _render_stage(stage)
    hours = [stage.hours for stage in made.stages if stage.hours is not None]
    total = f"{sum(hours):.1f} hours, " if hours else ""
    yield f"together {total}{made.disk:,.0f} GiB on disk" + (
        f", and {made.download:.1f} GiB of the base model to download" if made.download else ""
    )
    yield ASSUMPTIONS
    yield "it fits" if made.fits else "it does not fit"


def _render_stage(stage: StagePlan) -> Iterator[str]:
    limit = "" if math.isinf(stage.memory_limit) else f" of {stage.memory_limit:.1f}"
    hours = "" if stage.hours is None else f"{stage.hours:.1f}"
    yield (
        f"{stage.stage:<14}{stage.processes:>10}{f'{stage.total:.1f}{limit}':>20}{hours:>9}{stage.disk:>14,.1f}"
        f"  {'fits' if stage.fits else 'DOES NOT FIT'}"
    )
    yield "  " + " · ".join(f"{name} {gib:.1f}" for name, gib in stage.memory.items())
    if stage.facts:
        yield "  " + " · ".join(f"{name} {value:,.0f}" for name, value in stage.facts.items() if math.isfinite(value))
    yield from explain_misfit(stage)


def explain_misfit(stage: StagePlan) -> Iterator[str]:
    """Why a stage does not fit, and with which settings it would; nothing for one that fits."""
    if stage.fits:
        return
    yield from (f"  {fault}" for fault in stage.faults)
    if stage.total > stage.memory_limit:
        largest = max(stage.memory, key=lambda name: stage.memory[name])
        yield (
            f"  {stage.stage} wants {stage.total:.1f} GiB, and there are {stage.memory_limit:.1f}; the largest part is "
            f"{largest}, {stage.memory[largest]:.1f}"
        )
    if stage.mends:
        yield f"  it would fit with {' '.join(f'--set {mend}' for mend in stage.mends)}"
    else:
        yield "  no setting known here mends that: it wants more memory, more GPUs, or a smaller model"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

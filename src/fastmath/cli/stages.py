"""Running stages from the command line: the line that says how one goes, and what Ctrl-C does."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from fastmath.cli.live import LiveLine
from fastmath.recipe.sections import Recipe
from fastmath.runs.interrupts import Interrupts
from fastmath.runs.pipeline import StageResult, run_stage, select_stages
from fastmath.runs.stages import comes_before

EXIT_INTERRUPTED = 130


def choose_stages(recipe: Recipe, first: str | None, last: str | None, with_model: bool) -> list[str]:
    """The stages to run; from a model of one's own the data are built first, wherever the run begins.

    The errors are those of `fastmath.runs.pipeline.select_stages`.
    """
    stages = select_stages(recipe, None if with_model else first, last)
    if with_model and first is not None:
        stages = [name for name in stages if name == "build_data" or not comes_before(name, first)]
    return stages


def run_and_say(
    title: str, stage: str, recipe: str, folder: Path, overrides: dict[str, Any], force: bool, quiet: bool
) -> StageResult:
    """Run one stage and say how it goes, in a line that begins with `title`; `quiet` prints nothing.

    The other arguments and the errors are those of `fastmath.runs.pipeline.run_stage`.
    """
    with contextlib.ExitStack() as stack:
        line = None if quiet else stack.enter_context(LiveLine(title, folder / stage))
        interrupts = stack.enter_context(Interrupts(line.say if line else lambda text: typer.echo(text, err=True)))
        result = run_stage(stage, recipe, folder, overrides, force, interrupts)
        interrupts.check()
    if not quiet:
        typer.echo(f"{title:<20} {result.outcome:<10}{result.seconds:8.1f} s{result.peak_memory_gib:8.2f} GiB")
    return result


@contextlib.contextmanager
def exiting_on_interrupt() -> Iterator[None]:
    """End the command with its own exit code where a stage was interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        # The notebook's task, which nobody waits for any more, would otherwise end the output with its traceback.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        typer.echo("\ninterrupted; the same command goes on from where this one stopped", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None

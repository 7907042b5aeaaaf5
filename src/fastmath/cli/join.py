"""`fastmath join`: be one of the further nodes of a run whose trainings take several."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from fastmath.recipe.errors import SettingsError


def join(
    run_dir: Annotated[Path, typer.Argument(help="the run folder, on a file system that all nodes share")],
    rank: Annotated[int, typer.Option(help="number of this node, from 1; node 0 is the one of `fastmath run`")],
) -> None:
    """Be a further node of a run: train whenever node 0 does, until this command is ended."""
    from fastmath.training.nodes import join as join_run  # the trainers, which no other command needs

    if rank < 1:
        raise SettingsError(f"--rank is {rank}; want 1 or more, as node 0 is the one that runs the recipe")
    logging.getLogger("fastmath").setLevel(logging.INFO)
    join_run(Path.cwd() / run_dir, rank)

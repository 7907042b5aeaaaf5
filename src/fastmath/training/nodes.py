"""The other nodes of a training on several: they follow a run and launch their part of whatever the first node trains.

The first node runs the recipe as always. Its launches are told by a file in the run folder, which lies on a file system
that all nodes share, and a node that has joined starts the same training under its own number.
"""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastmath.recipe.load import load_recipe
from fastmath.runs.process import ChildFailedError, kill_tree, run_child
from fastmath.training.launch import CALL_FILE, build_command, choose_environment

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Time between two looks at the run folder, in seconds."""


@dataclass(frozen=True)
class Call:
    """A training that the first node has launched.

    Attributes:
        launch: a name that no other launch has.
        module: name of the module that trains.
        stage: name of the stage.
        folder: folder of the training.
    """

    launch: str
    module: str
    stage: str
    folder: Path


def list_calls(run_dir: Path) -> Iterator[Call]:
    """The trainings that the first node is running."""
    for path in sorted(run_dir.glob(f"*/**/{CALL_FILE}")):
        try:
            told = json.loads(path.read_text())
        except FileNotFoundError:  # it ended between the two looks
            continue
        yield Call(told["launch"], told["module"], told["stage"], path.parent)


def join(run_dir: Path, rank: int) -> None:
    """Be one of the further nodes of a run, until this process is ended.

    A training that fails is told in the log, and the next launch of the first node, which goes on from its checkpoint,
    is joined again.

    Args:
        run_dir: the run folder, which need not exist yet.
        rank: number of this node, from 1.
    """
    joined: set[str] = set()
    while True:
        for call in list_calls(run_dir):
            if call.launch not in joined:
                joined.add(call.launch)
                join_call(call, run_dir, rank)
        time.sleep(POLL_SECONDS)


def join_call(call: Call, run_dir: Path, rank: int) -> None:
    """Run this node's part of one training, with a log of its own."""
    log = call.folder / f"train-node{rank}.log"
    logger.info("node %d joins %s; its log is %s", rank, call.folder, log)
    settings = load_recipe(str(run_dir / call.stage / "config.yaml")).trainings[call.stage]
    command = build_command(call.module, settings, run_dir, call.folder, rank)
    try:
        run_child(command, log=log, environment=choose_environment(settings), watch=lambda: None, stop=kill_tree)
    except ChildFailedError as error:
        logger.error("node %d: %s", rank, error)
    else:
        logger.info("node %d has done its part of %s", rank, call.folder)

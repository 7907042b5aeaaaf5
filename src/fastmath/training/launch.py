"""Launching a training with `accelerate launch`, and showing its progress in a notebook.

One CPU process, eight GPUs and several nodes are all launched in this way; the file in `configs/accelerate` decides.
The training processes write `metrics.jsonl`, `progress.json` and a log, and hold a lock as long as they live. The
parent shows the progress and, after a failure, the error of the rank that failed first.
"""

import argparse
import contextlib
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import distributed
from torch.distributed.elastic.multiprocessing.errors import record

from fastmath.recipe.launches import read_launch
from fastmath.recipe.load import find_accelerate_file
from fastmath.recipe.training import TrainingSettings
from fastmath.runs.files import write_json
from fastmath.runs.locks import hold_together, trainer_lock
from fastmath.runs.process import Process, kill_tree, run_child
from fastmath.runs.progress import ProgressBar
from fastmath.runs.stage import Stage, StageStoppedError
from fastmath.training.failure import ERRORS, error_file, explain_failure, read_errors

logger = logging.getLogger(__name__)

STOP_FILE = "stop"
"""A file of this name in the stage's folder asks the trainer to save a checkpoint and stop."""
CALL_FILE = "launch.json"
"""Name of the file with which the first of several nodes calls the others, in the folder of a training."""


def launch(module: str, stage: Stage, settings: TrainingSettings, folder: Path | None = None) -> None:
    """Run `python -m module FOLDER --run-dir RUN_DIR` under accelerate, and show a progress bar until it ends.

    A first interrupt asks the trainer to save a checkpoint and stop; a second interrupt kills it.

    Args:
        module: name of the module to run.
        stage: the stage, `sft` or `grpo`, that trains.
        settings: gives the accelerate file and the environment variables of the training processes.
        folder: folder for `train.log`, `metrics.jsonl` and the products, which is created if it does not exist; None
            takes the stage's own.

    Raises:
        SettingsError: there is no such accelerate file.
        ChildFailedError: the training failed.
        StageStoppedError: somebody has created the file `STOP_FILE` in the folder.
        OSError: the training failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: this process was interrupted; raised again after the trainer has stopped.
    """
    folder = folder or stage.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder / ERRORS, ignore_errors=True)
    with ProgressBar(stage.folder) as bar, call_nodes(module, stage, folder, settings):
        run_child(
            build_command(module, settings, stage.run_dir, folder),
            log=folder / "train.log",
            environment=choose_environment(settings),
            watch=bar.show,
            stop=lambda process: _stop(process, folder),
            explain=lambda printed: explain_failure(read_errors(folder), printed, stage.name, settings.trainer),
        )
    shutil.rmtree(folder / ERRORS, ignore_errors=True)  # empty, as no rank has failed
    if (folder / STOP_FILE).exists():
        raise StageStoppedError(
            f"the file {folder / STOP_FILE} has stopped the training after a checkpoint; run the same again to go on"
        )


def build_command(
    module: str, settings: TrainingSettings, run_dir: Path, folder: Path, machine_rank: int = 0
) -> list[str]:
    """The command that launches the training processes of one node.

    Args:
        module: name of the module that trains.
        settings: gives the accelerate file and what replaces its settings.
        run_dir: the run folder.
        folder: folder of the training.
        machine_rank: number of the node.

    Raises:
        SettingsError: there is no such accelerate file.
    """
    options = settings.launch.model_dump(exclude_none=True)
    if read_launch(settings).nodes > 1:
        options["machine_rank"] = machine_rank
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    config = ["--config_file", str(find_accelerate_file(settings.accelerate))]
    command = [sys.executable, "-m", "accelerate.commands.launch", *config, *given, "-m", module]
    return [*command, str(folder), "--run-dir", str(run_dir)]


def choose_environment(settings: TrainingSettings) -> dict[str, str]:
    """The environment variables of the launcher: the recipe's, and what accelerate must know before it reads its file.

    It would otherwise look for GPUs.
    """
    return ({"ACCELERATE_USE_CPU": "true"} if read_launch(settings).on_cpu else {}) | settings.environment


@contextlib.contextmanager
def call_nodes(module: str, stage: Stage, folder: Path, settings: TrainingSettings) -> Iterator[None]:
    """Tell the other nodes, by a file in the training's folder, that this one launches; one node tells nobody."""
    path = folder / CALL_FILE
    path.unlink(missing_ok=True)  # of a launch whose command was killed
    if read_launch(settings).nodes > 1:
        write_json(path, {"launch": uuid.uuid4().hex, "module": module, "stage": stage.name})
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def run_training_process(train: Callable[[Path, Path], None]) -> None:
    """Be one of the processes that `launch` starts: `FOLDER --run-dir RUN_DIR` are its arguments.

    Args:
        train: trains with the products of `RUN_DIR` and writes into `FOLDER`.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-dir", type=Path, required=True)
    arguments = parser.parse_args()
    stage_name = arguments.folder.relative_to(arguments.run_dir).parts[0]
    errors = error_file(arguments.folder, int(os.environ.get("RANK", "0")))
    errors.parent.mkdir(parents=True, exist_ok=True)
    os.environ["TORCHELASTIC_ERROR_FILE"] = str(errors)  # torch's own lies in a folder that the launcher removes
    with hold_together(trainer_lock(arguments.run_dir / stage_name)):
        record(train)(arguments.folder, arguments.run_dir)
        if distributed.is_initialized():
            # A process that ends with its group's threads running is aborted now and then ("terminate called without
            # an active exception"). After an error it would wait here for ranks that are stuck, so only after none.
            distributed.destroy_process_group()


def _stop(process: Process, folder: Path) -> None:
    """Ask the trainer to save a checkpoint and stop; on a second interrupt kill it and all its descendants."""
    logger.warning("interrupted: waiting for the trainer to save a checkpoint (interrupt again to kill it)")
    (folder / STOP_FILE).touch()
    try:
        process.wait()
    except KeyboardInterrupt:
        kill_tree(process)

"""Launching a training with `accelerate launch`, and showing its progress in a notebook.

One CPU process, eight GPUs and several nodes are all launched in this way; the file in `configs/accelerate` decides.
The child process writes `metrics.jsonl` and a log. The parent shows the progress from the metrics and, after a
failure, the last lines of the log.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from fastmath.recipe.load import find_accelerate_file
from fastmath.recipe.sections import TrainingSettings
from fastmath.runs.metrics import MetricsTail
from fastmath.runs.process import POLL_SECONDS, Process, kill_tree, run_child
from fastmath.training.callbacks import INTERRUPTED_EXIT_CODE, STOP_FILE

logger = logging.getLogger(__name__)

SHOWN_METRICS = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "reward": "reward",
    "completions/mean_length": "tokens",
    "kl": "KL",
}
"""Metrics that the progress bar shows, and their labels there."""


def launch(module: str, folder: Path, settings: TrainingSettings, *arguments: str) -> None:
    """Run `python -m module FOLDER arguments` under accelerate, and show a progress bar until it ends.

    A first interrupt asks the trainer to save a checkpoint and stop; a second interrupt kills it.

    Args:
        module: name of the module to run.
        folder: folder for `train.log`, `metrics.jsonl` and the products, which is created if it does not exist.
        settings: gives the accelerate file and the environment variables of the training processes.
        arguments: further arguments of the module.

    Raises:
        SettingsError: there is no such accelerate file.
        ChildFailedError: the training failed.
        OSError: the training failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: this process was interrupted; raised again after the trainer has stopped.
    """
    config = find_accelerate_file(settings.accelerate)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), "-m", module]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP_FILE).unlink(missing_ok=True)
    with tqdm(unit="step", desc=folder.name, dynamic_ncols=True, mininterval=POLL_SECONDS) as bar:
        metrics = MetricsTail(folder / "metrics.jsonl", from_end=True)
        run_child(
            [*command, str(folder), *arguments],
            log=folder / "train.log",
            environment=settings.environment,
            watch=lambda: _show_progress(metrics, bar),
            stop=lambda process: _stop(process, folder),
        )


def run_training_process(train: Callable[[Path, Path], bool]) -> None:
    """Be the process that `launch` starts: `FOLDER --run-dir RUN_DIR` are its arguments.

    Args:
        train: trains with the products of `RUN_DIR`, writes into `FOLDER`, and returns False if it was stopped on
            request; the exit code is then `INTERRUPTED_EXIT_CODE`.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-dir", type=Path, required=True)
    arguments = parser.parse_args()
    if not train(arguments.folder, arguments.run_dir):
        sys.exit(INTERRUPTED_EXIT_CODE)


def _show_progress(metrics: MetricsTail, bar: "tqdm[Any]") -> None:
    for record in metrics.read_new():
        bar.total = record.get("max_steps", bar.total)
        bar.update(record["step"] - bar.n)
        shown = {label: f"{record[name]:.3g}" for name, label in SHOWN_METRICS.items() if name in record}
        if shown:
            bar.set_postfix(shown)


def _stop(process: Process, folder: Path) -> None:
    """Ask the trainer to save a checkpoint and stop; on a second interrupt kill it and all its descendants."""
    logger.warning("interrupted: waiting for the trainer to save a checkpoint (interrupt again to kill it)")
    (folder / STOP_FILE).touch()
    try:
        process.wait()
    except KeyboardInterrupt:
        kill_tree(process)

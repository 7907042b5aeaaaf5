"""Starting a training process with `accelerate launch` and following it from a notebook.

One path for one CPU process, eight GPUs and several nodes: the file in `configs/accelerate` decides. The child writes
`metrics.jsonl` and a log; the parent shows progress from the former and, on failure, the last lines of the latter.
"""

import logging
import sys
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from fastmath.recipe.load import find_accelerate_file
from fastmath.recipe.sections import TrainingSettings
from fastmath.runs.metrics import MetricsTail
from fastmath.runs.process import POLL_SECONDS, Process, kill_tree, run_child
from fastmath.training.callbacks import STOP_FILE

logger = logging.getLogger(__name__)

SHOWN_METRICS = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "reward": "reward",
    "completions/mean_length": "tokens",
    "kl": "KL",
}


def launch(module: str, folder: Path, settings: TrainingSettings, *arguments: str) -> None:
    """Run `python -m module FOLDER arguments` under accelerate and wait for it, showing a progress bar.

    The folder holds `train.log`, `metrics.jsonl` and the products afterwards. An interrupt asks the trainer to save a
    checkpoint and stop; a second one kills it.

    Raises:
        SettingsError: no such file in `configs/accelerate`.
        ChildFailedError: the process failed.
        OSError: it failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: passed on once the trainer has stopped.
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


def _show_progress(metrics: MetricsTail, bar: "tqdm[Any]") -> None:
    for record in metrics.read_new():
        bar.total = record.get("max_steps", bar.total)
        bar.update(record["step"] - bar.n)
        shown = {label: f"{record[name]:.3g}" for name, label in SHOWN_METRICS.items() if name in record}
        if shown:
            bar.set_postfix(shown)


def _stop(process: Process, folder: Path) -> None:
    """Ask for a checkpoint and a clean end; kill the process with all its children on a second interrupt."""
    logger.warning("interrupted: waiting for the trainer to save a checkpoint (interrupt again to kill it)")
    (folder / STOP_FILE).touch()
    try:
        process.wait()
    except KeyboardInterrupt:
        kill_tree(process)

"""Starting a training process with `accelerate launch` and following it from a notebook.

One path for one CPU process, eight GPUs and several nodes: the file in `configs/accelerate` decides. The child writes
`metrics.jsonl` and a log; the parent shows progress from the former and, on failure, the last lines of the latter.
"""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from fastmath.recipe.sections import TrainingSettings
from fastmath.recipe.load import SettingsError, configs_folder
from fastmath.training.callbacks import PARENT_VARIABLE, STOP_FILE

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
LOG_LINES_SHOWN = 25
SHOWN_METRICS = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "reward": "reward",
    "completions/mean_length": "tokens",
    "kl": "KL",
}


class TrainingFailedError(RuntimeError):
    """The training process ended with an error; the message carries the last lines of its log."""


def launch(module: str, folder: Path, settings: TrainingSettings, *arguments: str) -> None:
    """Run `python -m module FOLDER arguments` under accelerate and wait for it, showing a progress bar.

    The folder holds `train.log`, `metrics.jsonl` and the products afterwards. An interrupt asks the trainer to save a
    checkpoint and stop; a second one kills it.

    Raises:
        SettingsError: no such file in `configs/accelerate`.
        TrainingFailedError: the process failed.
        OSError: it failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: passed on once the trainer has stopped.
    """
    config = _find_config(settings.accelerate)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), "-m", module]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP_FILE).unlink(missing_ok=True)
    log_path = folder / "train.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [*command, str(folder), *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | settings.environment | {PARENT_VARIABLE: str(os.getpid())},
            # A session of its own: an interrupt reaches the trainer through the stop file, after a whole step.
            start_new_session=True,
        )
    with tqdm(unit="step", desc=folder.name, dynamic_ncols=True, mininterval=POLL_SECONDS) as bar:
        progress = _Progress(folder / "metrics.jsonl", bar)
        try:
            while process.poll() is None:
                progress.show()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            _stop(process, folder)
            raise
        progress.show()
    if process.returncode != 0:
        end = _tail(log_path)
        if os.strerror(errno.ENOSPC) in end:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        raise TrainingFailedError(f"{module} ended with exit code {process.returncode}; the end of {log_path}:\n{end}")


class _Progress:
    """Shows in a bar the lines that a growing `metrics.jsonl` has gained since the last look."""

    def __init__(self, path: Path, bar: "tqdm[Any]") -> None:
        self.path = path
        self.bar = bar
        self.offset = path.stat().st_size if path.exists() else 0

    def show(self) -> None:
        """Bring the bar up to date."""
        for record in self._read_new():
            self.bar.total = record.get("max_steps", self.bar.total)
            self.bar.update(record["step"] - self.bar.n)
            shown = {label: f"{record[name]:.3g}" for name, label in SHOWN_METRICS.items() if name in record}
            if shown:
                self.bar.set_postfix(shown)

    def _read_new(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        if self.path.stat().st_size < self.offset:  # a resumed run has cut the steps it repeats
            self.offset = 0
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):  # half a line: read it whole next time
                    return
                self.offset += len(line)
                yield json.loads(line)


def _find_config(name: str) -> Path:
    path = configs_folder() / "accelerate" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise SettingsError(f"there is no accelerate configuration {name!r}; want one of {known}")
    return path


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ask for a checkpoint and a clean end; kill the process with all its children on a second interrupt."""
    logger.warning("interrupted: waiting for the trainer to save a checkpoint (interrupt again to kill it)")
    (folder / STOP_FILE).touch()
    try:
        process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").replace("\r", "\n").splitlines()[-LOG_LINES_SHOWN:])

"""Starting a training process with `accelerate launch` and following it from a notebook.

One path for one CPU process, eight GPUs and several nodes: the file in `configs/accelerate` decides. The child writes
`metrics.jsonl` and a log; the parent shows progress from the former and, on failure, the last lines of the latter.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from fastmath.recipes import SettingsError, configs_folder
from fastmath.training.callbacks import PARENT_VARIABLE, STOP_FILE

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
LOG_LINES_SHOWN = 25
LOG_FILE = "train.log"
METRICS_FILE = "metrics.jsonl"
SHOWN_METRICS = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "reward": "reward",
    "completions/mean_length": "tokens",
    "kl": "KL",
}


class TrainingFailedError(RuntimeError):
    """The training process ended with an error; the message carries the last lines of its log."""


def launch(module: str, folders: Sequence[Path], accelerate: str, *arguments: str) -> None:
    """Run `python -m module FOLDER arguments` under accelerate, once a folder and all at the same time, and wait.

    A folder holds `train.log`, `metrics.jsonl` and the products afterwards; a bar shows the progress of each. An
    interrupt asks the trainers to save a checkpoint and stop; a second one kills them.

    Raises:
        SettingsError: no such file in `configs/accelerate`.
        TrainingFailedError: a process failed.
        KeyboardInterrupt: passed on once the trainers have stopped.
    """
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(_find_config(accelerate))]
    if len(folders) > 1:  # each gets its part of the cores; threads of two processes on one core wait for each other
        threads = max(1, (os.cpu_count() or 1) // len(folders))
        command += ["--num_cpu_threads_per_process", str(threads)]
    command += ["-m", module]
    with contextlib.ExitStack() as bars:
        runs = [_start([*command, str(folder), *arguments], folder, bars) for folder in folders]
        try:
            while sum(run.is_running() for run in runs):  # all of them, so that every bar moves
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            _stop(runs)
            raise
    for run in runs:
        if run.process.returncode != 0:
            raise TrainingFailedError(
                f"{module} ended with exit code {run.process.returncode}; the end of {run.folder / LOG_FILE}:\n"
                f"{_tail(run.folder / LOG_FILE)}"
            )


@dataclass
class _Run:
    """One training process, the bar that shows it, and how much of its metrics the bar has shown."""

    folder: Path
    process: subprocess.Popen[bytes]
    bar: "tqdm[Any]"
    offset: int

    def is_running(self) -> bool:
        """Bring the bar up to date and say whether the process goes on."""
        running = self.process.poll() is None
        for record in self._read_new_metrics():
            self.bar.total = record.get("max_steps", self.bar.total)
            self.bar.update(record["step"] - self.bar.n)
            shown = {label: f"{record[name]:.3g}" for name, label in SHOWN_METRICS.items() if name in record}
            if shown:
                self.bar.set_postfix(shown)
        return running

    def _read_new_metrics(self) -> Iterator[dict[str, Any]]:
        path = self.folder / METRICS_FILE
        if not path.exists():
            return
        if path.stat().st_size < self.offset:  # a resumed run has cut the steps it repeats
            self.offset = 0
        with path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):  # half a line: read it whole next time
                    return
                self.offset += len(line)
                yield json.loads(line)


def _start(command: list[str], folder: Path, bars: contextlib.ExitStack) -> _Run:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP_FILE).unlink(missing_ok=True)
    metrics = folder / METRICS_FILE
    with (folder / LOG_FILE).open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {PARENT_VARIABLE: str(os.getpid())},
            # A session of its own: an interrupt reaches the trainer through the stop file, after a whole step.
            start_new_session=True,
        )
    bar = bars.enter_context(tqdm(unit="step", desc=folder.name, dynamic_ncols=True, mininterval=POLL_SECONDS))
    return _Run(folder, process, bar, metrics.stat().st_size if metrics.exists() else 0)


def _find_config(name: str) -> Path:
    path = configs_folder() / "accelerate" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise SettingsError(f"there is no accelerate configuration {name!r}; want one of {known}")
    return path


def _stop(runs: Sequence[_Run]) -> None:
    """Ask for checkpoints and a clean end; kill the processes with all their children on a second interrupt."""
    logger.warning("interrupted: waiting for the trainer to save a checkpoint (interrupt again to kill it)")
    for run in runs:
        (run.folder / STOP_FILE).touch()
    try:
        for run in runs:
            run.process.wait()
    except KeyboardInterrupt:
        for run in runs:
            if run.process.poll() is None:
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait()


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").replace("\r", "\n").splitlines()[-LOG_LINES_SHOWN:])

"""Installing the kernel on Kaggle and running it there, by Python's own library alone: nothing else is there yet.

The notebook imports this module from the wheel itself, which Python reads like a folder. Kaggle's image has imported
numpy, matplotlib and pandas before the first cell, so that replacing their files would break the process that runs the
notebook. Everything is therefore installed into an environment of its own, and the contest runs in a process of that
environment, whose output is shown in the notebook.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastmath.runs.environment import PARENT_VARIABLE, is_rerun

__all__ = ["install", "is_rerun", "play_contest", "serve_scored"]

PACKAGE = "fastmath-*.whl"
WHEELS = "wheels.txt"
ENVIRONMENT = Path(tempfile.gettempdir()) / "fastmath-environment"
"""Folder of the environment; on Kaggle outside `/kaggle/working`, all of which is kept as the notebook's output."""
SCORED, PLAYED = "fastmath.contest.scored", "fastmath.kaggle.session"
"""Modules that play the scored run's contest, and every other one."""
MAX_STARTS = 3
"""Number of times that the scored contest's process is started if it is killed; its journal is gone on with."""
END_SECONDS = 30.0
"""Longest wait for the contest's process to end after an interrupt, in seconds."""
OLDEST_DRIVER = {"12": (525, 60), "13": (580, 65)}
"""CUDA's major version → the oldest driver that runs it (CUDA's release notes, table 3)."""

PYTHON_IN_HEADER = re.compile(r"^# .*with Python (\d+)\.(\d+)", re.MULTILINE)
_CUDA = re.compile(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+)", re.MULTILINE)


class InstallationError(RuntimeError):
    """The kernel cannot be installed from the notebook's inputs; the message says what to change."""


class ContestProcessError(RuntimeError):
    """The contest's process ended with an error, which its output tells."""


def install(inputs: Path, environment: Path = ENVIRONMENT) -> Path:
    """Install the kernel from the wheels below `inputs`, and read the model's weights into the page cache meanwhile.

    Args:
        inputs: folder below which Kaggle mounts the dataset with the wheels. Where there is no such folder, this is no
            Kaggle: nothing is installed, and the running interpreter is the one to use.
        environment: folder of the environment; one that is complete is used again.

    Returns:
        The interpreter that plays the contest.

    Raises:
        InstallationError: there are no wheels, they are for another version of Python, or pip failed.
    """
    if not inputs.is_dir():
        return Path(sys.executable)
    wheels = find_wheels(inputs)
    listed = (wheels / WHEELS).read_text()
    fault = find_driver_fault(_read_driver(), listed)
    if fault is not None:
        sys.stderr.write(f"{fault}\n")
    require_python(listed, sys.version_info[:2])
    python, complete = environment / "bin" / "python", environment / "complete"
    if complete.exists() and complete.read_text() == listed:
        return python
    reader = _read_ahead(inputs)
    shutil.rmtree(environment, ignore_errors=True)
    # The image may lack pip's own copy for new environments; the pip that is running installs into any.
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--find-links", str(wheels)]
    target = ["-m", "pip", "--python", str(python), "install", *options, "-r", str(wheels / WHEELS), "fastmath"]
    _run([sys.executable, *target])
    complete.write_text(listed)
    if reader is not None and reader.poll() is None:
        reader.kill()  # the engine reads what is left, and at once
    return python


def find_wheels(inputs: Path) -> Path:
    """The folder with the project's wheel and the list of all others, somewhere below `inputs`.

    Raises:
        InstallationError: there is none, or the newest of several cannot be told.
    """
    found = sorted({path.parent for path in inputs.glob(f"**/{PACKAGE}")})
    if len(found) != 1 or not (found[0] / WHEELS).is_file():
        listed = ", ".join(map(str, found)) or "none"
        raise InstallationError(
            f"want one folder with {PACKAGE} and {WHEELS} below {inputs}; found {listed}. Add the dataset with the "
            "wheels, and no other version of it, to the notebook's inputs (dataset_sources in kernel-metadata.json)"
        )
    return found[0]


def require_python(listed: str, running: tuple[int, int]) -> None:
    """Refuse wheels that are for another version of Python than the one that is running.

    Args:
        listed: text of the list of wheels, whose header names the version.
        running: version of the interpreter that is running.

    Raises:
        InstallationError: they are for another version; the message says how to get the right ones.
    """
    found = PYTHON_IN_HEADER.search(listed)
    wanted = None if found is None else (int(found[1]), int(found[2]))
    if wanted is not None and wanted != running:
        here, there = (".".join(map(str, version)) for version in (running, wanted))
        raise InstallationError(
            f"the wheels are for Python {there}, and this is Python {here}. Build the package again with `fastmath "
            f"kernel build --python {here} --download` and upload its dataset, or run an image with Python {there} "
            "(`fastmath kernel build --docker-image NAME`)"
        )


def find_driver_fault(driver: str | None, listed: str) -> str | None:
    """What is wrong with the GPU's driver for the CUDA that the wheels bring; None where nothing is, or no GPU.

    Args:
        driver: version of the driver, such as `580.65.06`; None without a GPU.
        listed: text of the list of wheels.

    Example: a list with `nvidia-cuda-runtime==13.0.96` wants 580.65, so that driver `560.35.03` is too old.
    """
    cuda = _CUDA.search(listed)
    if driver is None or cuda is None or cuda[1] not in OLDEST_DRIVER:
        return None
    oldest = OLDEST_DRIVER[cuda[1]]
    if tuple(int(part) for part in driver.split(".")[:2]) >= oldest:
        return None
    wanted = ".".join(map(str, oldest))
    return f"the GPU's driver is {driver}, and torch for CUDA {cuda[1]} wants {wanted} or newer: no engine may start"


def play_contest(python: Path, contest: Mapping[str, Any], show: Callable[[str], Any]) -> Path:
    """Play a contest that is not scored in a process of `python`, and show its output.

    Args:
        python: the interpreter, from `install`.
        contest: the notebook's parameters, and `started`, the reading of `time.monotonic()` at its start.
        show: is called with every line of the process's output.

    Returns:
        The folder with `contest.md`, `contest.png`, `limits.md`, `report.json` and `questions.jsonl`, and `limits.png`
        where votes were recorded.

    Raises:
        ContestProcessError: the contest failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        order = _write_order(Path(folder), contest)
        code = run_shown([str(python), "-m", PLAYED, str(order)], show)
        if code:
            raise ContestProcessError(f"the contest ended with exit code {code}; its last lines above say why")
        return Path(json.loads(order.read_text())["folder"])


def serve_scored(python: Path, contest: Mapping[str, Any], show: Callable[[str], Any]) -> None:
    """Answer the hidden questions in a process of `python`; one that is killed is started again and goes on.

    Args:
        python: the interpreter, from `install`.
        contest: as for `play_contest`.
        show: is called with every line of the process's output.

    Raises:
        ContestProcessError: the process has failed `MAX_STARTS` times.
    """
    with tempfile.TemporaryDirectory() as folder:
        order = _write_order(Path(folder), contest)
        for start in range(MAX_STARTS):
            code = run_shown([str(python), "-m", SCORED, str(order)], show)
            if code == 0:
                return
            show(f"start {start + 1} of {MAX_STARTS} of the contest ended with exit code {code}\n")
    raise ContestProcessError(f"the contest's process has failed {MAX_STARTS} times; its last lines above say why")


def run_shown(command: Sequence[str], show: Callable[[str], Any]) -> int:
    """Run a command, show what it prints line by line, and return its exit code.

    Raises:
        KeyboardInterrupt: this process was interrupted; the command has been, too, and has ended.
    """
    # Jupyter sets a backend for figures that only its own interpreter has.
    environment = os.environ | {"MPLBACKEND": "agg", "PYTHONUNBUFFERED": "1", PARENT_VARIABLE: str(os.getpid())}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout or ():
            show(line)
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


def _write_order(folder: Path, contest: Mapping[str, Any]) -> Path:
    order = folder / "contest.json"
    order.write_text(json.dumps(dict(contest)))
    return order


def _run(command: Sequence[str]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        said = (finished.stderr or finished.stdout).strip()[-2000:]
        raise InstallationError(f"`{' '.join(command[:6])} …` ended with exit code {finished.returncode}:\n{said}")


def _read_ahead(inputs: Path) -> "subprocess.Popen[bytes] | None":
    """Begin to read the weights, so that the engine finds them in the page cache; None where there are none."""
    weights = sorted(map(str, inputs.glob("**/*.safetensors")))
    if not weights or shutil.which("cat") is None:
        return None
    return subprocess.Popen(["cat", *weights], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _read_driver() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = finished.stdout.split()
    return lines[0] if finished.returncode == 0 and lines else None

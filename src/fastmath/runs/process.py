"""Running a child process: its output goes to a log, its progress is watched, and its failure is raised here."""

import contextlib
import errno
import itertools
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from fastmath.runs.environment import PARENT_VARIABLE

POLL_SECONDS = 0.2
"""Time between two looks at a running child, in seconds."""
LOG_LINES_SHOWN = 25
"""Number of lines at the end of a log that an error message quotes."""
KILL_SECONDS = 10.0
"""Longest wait for killed descendants to be gone."""
FAMILY_VARIABLE = "FASTMATH_FAMILY"
"""Environment variable by which all descendants of one child are known, also when those between them are gone."""


class Process(subprocess.Popen[bytes]):
    """A child process in a session of its own.

    Attributes:
        family: value of `FAMILY_VARIABLE` in its environment and in those of its descendants.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], **options: Any) -> None:
        self.family = uuid.uuid4().hex
        own = {PARENT_VARIABLE: str(os.getpid()), FAMILY_VARIABLE: self.family}
        super().__init__(command, env=os.environ | environment | own, start_new_session=True, **options)


class ChildFailedError(RuntimeError):
    """A child process ended with an error; the message says which, or contains the last lines of its log."""


@dataclass(frozen=True)
class Child:
    """A command that runs beside others.

    Attributes:
        command: program and arguments.
        log: file to which the command's standard output and standard error are added.
        environment: environment variables that are set on top of those of this process.
    """

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]


def run_child(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    watch: Callable[[], None],
    stop: Callable[[Process], None],
    explain: Callable[[str], str] | None = None,
) -> None:
    """Run one command and wait until it ends; arguments and errors are those of `Child` and `run_children`."""
    run_children([Child(command, log, environment)], watch=watch, stop=stop, explain=explain)


def run_children(
    children: Sequence[Child],
    *,
    watch: Callable[[], None],
    stop: Callable[[Process], None],
    explain: Callable[[str], str] | None = None,
) -> None:
    """Run commands side by side and wait until all have ended; if one fails, the others are stopped.

    Args:
        children: the commands.
        watch: function that is called every `POLL_SECONDS` while they run, and once after they have ended.
        stop: function that is called for each that runs when this process is interrupted, another one fails or `watch`
            raises; it must end the child.
        explain: turns what a failed command has printed into the end of the error's message; None quotes the last
            lines.

    Raises:
        ChildFailedError: a command ended with an exit code other than 0; none of its descendants is left.
        OSError: a command failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: this process was interrupted; raised again after `stop` has returned.
    """
    running: list[tuple[Child, int, Process]] = []
    try:
        for child in children:
            begin = child.log.stat().st_size if child.log.exists() else 0
            process = start_child(child.command, log=child.log, environment=child.environment)
            running.append((child, begin, process))
        while any(process.poll() is None for _, _, process in running):
            watch()
            time.sleep(POLL_SECONDS)
            for each in running:
                _require_success(*each, explain)
        watch()
        for each in running:
            _require_success(*each, explain)
    except BaseException:
        for _, _, process in running:
            if process.poll() is None:
                stop(process)
        raise


def _require_success(child: Child, begin: int, process: Process, explain: Callable[[str], str] | None) -> None:
    """Raise if a child has ended with an error; `begin` is the size that its log had before."""
    if process.poll() in (None, 0):
        return
    kill_tree(process)  # a launcher that was killed leaves its ranks behind
    printed = _read_from(child.log, begin)
    if os.strerror(errno.ENOSPC) in printed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(child.log.parent))
    ended = f"{name_command(child.command)} ended with exit code {process.returncode}"
    if explain is None:
        raise ChildFailedError(f"{ended}; the end of {child.log}:\n{cut_tail(printed)}")
    raise ChildFailedError(f"{ended} (log: {child.log})\n{explain(printed)}")


def start_child(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path | None = None
) -> Process:
    """Start a command in a session of its own and without input.

    Args:
        command: program and arguments.
        log: file to which the command's standard output and standard error are added.
        environment: environment variables that are set on top of those of this process.
        folder: working directory of the command; None keeps that of this process.
    """
    with log.open("a") as file:
        # In a session of its own: Ctrl-C at the terminal reaches this process only, which decides how the child stops.
        return Process(
            command, environment, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder
        )


def name_command(command: Sequence[str]) -> str:
    """Short name of a command for messages: the module after the last `-m`, or else the file name of the program."""
    modules = [module for flag, module in itertools.pairwise(command) if flag == "-m"]
    return modules[-1] if modules else Path(command[0]).name


def read_tail(log: Path) -> str:
    """The last lines of a log, as `cut_tail` cuts them."""
    return cut_tail(log.read_text(errors="replace"))


def cut_tail(printed: str) -> str:
    """The last `LOG_LINES_SHOWN` lines of a text; each state of a progress bar counts as one line."""
    return "\n".join(printed.replace("\r", "\n").splitlines()[-LOG_LINES_SHOWN:])


def _read_from(log: Path, begin: int) -> str:
    with log.open(errors="replace") as file:
        file.seek(begin)
        return file.read()


def end_child(process: Process, grace_seconds: float = 10.0) -> None:
    """Terminate a child, and kill it and all its descendants that are still running after a grace period.

    Args:
        process: the child.
        grace_seconds: wall time that the child has to end by itself, in seconds; an interrupt ends this period.
    """
    family = _list_family(process)
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    finally:  # also on an interrupt, which is passed on
        _kill(family)
        kill_tree(process)


def kill_tree(process: Process) -> None:
    """Kill a child and all its descendants, also those in sessions of their own, such as the ranks of torch elastic."""
    _kill(_list_family(process))
    # If the child has ended, its own children have another parent by now, but they are still in its process group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _list_family(process: Process) -> list[psutil.Process]:
    """The child's descendants, also those whose parents are gone, and the child itself last."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended, or is another user's
            if each.pid != process.pid and each.environ().get(FAMILY_VARIABLE) == process.family:
                found.append(each)
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(process.pid)
        found += [each for each in child.children(recursive=True) if each not in found]
        found.append(child)
    return found


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # A kill takes effect a moment later. The last one is our own child, whose exit code its `Popen` has to read.
    psutil.wait_procs(processes[:-1], timeout=KILL_SECONDS)

"""Running a child process: its output goes to a log, its progress is watched, and its failure is raised here."""

import contextlib
import errno
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

POLL_SECONDS = 0.2
"""Time between two looks at a running child, in seconds."""
LOG_LINES_SHOWN = 25
"""Number of lines at the end of a log that an error message quotes."""
KILL_SECONDS = 10.0
"""Longest wait for killed descendants to be gone."""
PARENT_VARIABLE = "FASTMATH_PARENT_PID"
"""Environment variable with the id of the process that started a child, so that the child can end when it is gone."""

Process = subprocess.Popen[bytes]


class ChildFailedError(RuntimeError):
    """A child process ended with an error; the message contains the last lines of its log."""


def run_child(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    watch: Callable[[], None],
    stop: Callable[[Process], None],
) -> None:
    """Run a command and wait until it ends.

    Args:
        command: program and arguments.
        log: file for the command's standard output and standard error; an existing file is overwritten.
        environment: environment variables that are set on top of those of this process.
        watch: function that is called every `POLL_SECONDS` while the command runs, and once after it has ended.
        stop: function that is called when this process is interrupted or `watch` raises; it must end the child.

    Raises:
        ChildFailedError: the command ended with an exit code other than 0.
        OSError: the command failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: this process was interrupted; raised again after `stop` has returned.
    """
    process = start_child(command, log=log, environment=environment)
    try:
        while process.poll() is None:
            watch()
            time.sleep(POLL_SECONDS)
        watch()
    except BaseException:
        stop(process)
        raise
    if process.returncode != 0:
        end = read_tail(log)
        if os.strerror(errno.ENOSPC) in end:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log.parent))
        raise ChildFailedError(
            f"{name_command(command)} ended with exit code {process.returncode}; the end of {log}:\n{end}"
        )


def start_child(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path | None = None
) -> Process:
    """Start a command in a session of its own and without input.

    Args:
        command: program and arguments.
        log: file for the command's standard output and standard error; an existing file is overwritten.
        environment: environment variables that are set on top of those of this process.
        folder: working directory of the command; None keeps that of this process.
    """
    with log.open("w") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | environment | {PARENT_VARIABLE: str(os.getpid())},
            # Ctrl-C at the terminal then reaches this process only, which decides how the child is stopped.
            start_new_session=True,
        )


def name_command(command: Sequence[str]) -> str:
    """Short name of a command for messages: the module after the last `-m`, or else the file name of the program."""
    modules = [module for flag, module in itertools.pairwise(command) if flag == "-m"]
    return modules[-1] if modules else Path(command[0]).name


def read_tail(log: Path) -> str:
    """The last `LOG_LINES_SHOWN` lines of a log; each state of a progress bar counts as one line."""
    return "\n".join(log.read_text(errors="replace").replace("\r", "\n").splitlines()[-LOG_LINES_SHOWN:])


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
    try:
        child = psutil.Process(process.pid)
        return [*child.children(recursive=True), child]
    except psutil.NoSuchProcess:
        return []


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # A kill takes effect a moment later. The last one is our own child, whose exit code its `Popen` has to read.
    psutil.wait_procs(processes[:-1], timeout=KILL_SECONDS)

"""One way to run a child process: its output in a log, its progress watched, its end and its failure passed on."""

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
LOG_LINES_SHOWN = 25
PARENT_VARIABLE = "FASTMATH_PARENT_PID"
"""Tells a child the process that follows it, so that it can end when that one is gone."""

Process = subprocess.Popen[bytes]


class ChildFailedError(RuntimeError):
    """A child process ended with an error; the message carries the last lines of its log."""


def run_child(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    watch: Callable[[], None],
    stop: Callable[[Process], None],
) -> None:
    """Run a command to its end.

    Args:
        command: program and arguments.
        log: file that takes its standard output and error.
        environment: variables set over those of this process.
        watch: called several times a second while it runs, and once more behind its end.
        stop: called where this process is interrupted or `watch` raises; it has to end the child.

    Raises:
        ChildFailedError: the command ended with another exit code than 0.
        OSError: it failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: passed on once `stop` has returned.
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
    """Start a command in a session of its own, without input, its output in `log`; `folder` is where it runs."""
    with log.open("w") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | environment | {PARENT_VARIABLE: str(os.getpid())},
            # An interrupt at the terminal is this process's to pass on.
            start_new_session=True,
        )


def name_command(command: Sequence[str]) -> str:
    """What runs, for people: the module behind the last `-m`, else the program."""
    modules = [module for flag, module in itertools.pairwise(command) if flag == "-m"]
    return modules[-1] if modules else Path(command[0]).name


def read_tail(log: Path) -> str:
    """The last `LOG_LINES_SHOWN` lines of a log; what a progress bar has drawn over counts as lines of its own."""
    return "\n".join(log.read_text(errors="replace").replace("\r", "\n").splitlines()[-LOG_LINES_SHOWN:])


def end_child(process: Process, grace_seconds: float = 10.0) -> None:
    """Ask a child to end, give it `grace_seconds`, or until an interrupt, and kill what is left of its family."""
    family = _list_family(process)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(grace_seconds)
    _kill(family)
    kill_tree(process)


def kill_tree(process: Process) -> None:
    """Kill a child and all its descendants, whatever sessions they have moved to, as torch elastic's ranks do."""
    _kill(_list_family(process))
    # Of a child that has ended, what it started has another parent now but is still in its group.
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

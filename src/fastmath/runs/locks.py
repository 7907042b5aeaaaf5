"""Locks of run folders: one stage, and one training, writes a folder at a time, and a lock ends with its process.

A lock is an advisory lock of the system (`flock`) on an empty file beside the folder, so that the folder itself can be
moved. A killed process loses its locks; a lock file that is left behind means nothing.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import psutil

ATTEMPT_SECONDS = (0.0, 0.05, 0.2)
"""Pauses before each attempt to get a lock, in seconds."""
POLL_SECONDS = 0.5
"""Time between two looks at a lock that another process holds, in seconds."""


class RunLockedError(RuntimeError):
    """Another process is writing to the folder of a stage."""


def stage_lock(folder: Path) -> Path:
    """Path of the lock that the process holds which runs the stage of this folder, such as a notebook's kernel."""
    return folder.with_name(f".{folder.name}.lock")


def trainer_lock(folder: Path) -> Path:
    """Path of the lock that every training process of the stage of this folder holds as long as it lives."""
    return folder.with_name(f".{folder.name}.trainer.lock")


@contextlib.contextmanager
def hold_alone(path: Path) -> Iterator[None]:
    """Hold a lock that nobody else may hold meanwhile.

    Raises:
        RunLockedError: another process holds it; the message names the process where it can be found.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        # Several attempts, as whoever asks `is_held` holds the lock for a moment, too.
        if not any(_try_to_lock(file, pause) for pause in ATTEMPT_SECONDS):
            raise RunLockedError(
                f"another process{_name_holders(path)} is writing to {_folder_of(path)}; wait for it, or give this run "
                "a folder of its own (--run-dir)"
            )
        yield


@contextlib.contextmanager
def hold_together(path: Path) -> Iterator[None]:
    """Hold a lock together with the other processes of one training; waits while somebody holds it alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_held(path: Path) -> bool:
    """Whether some process, this one included, holds the lock."""
    if not path.exists():
        return False
    with path.open("a") as file:
        return not _try_to_lock(file)


def _try_to_lock(file: TextIO, pause: float = 0.0) -> bool:
    time.sleep(pause)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until_free(path: Path, say: Callable[[str], None]) -> None:
    """Wait until nobody holds the lock.

    Args:
        path: a lock from `trainer_lock`. A trainer whose notebook has gone saves a checkpoint after its step and ends.
        say: is told once whom this waits for, if it has to wait at all.
    """
    told = False
    while is_held(path):
        if not told:
            say(
                f"waiting for the trainer{_name_holders(path)} of an earlier notebook, which saves a checkpoint in "
                f"{_folder_of(path)} after its step and then ends"
            )
            told = True
        time.sleep(POLL_SECONDS)


def find_holders(path: Path) -> list[psutil.Process]:
    """The processes of this machine that have the lock file open, as far as this user may see them."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(opened.path == str(path) for opened in process.open_files()) and process.pid != os.getpid():
                found.append(process)
    return found


def _name_holders(path: Path) -> str:
    pids = [str(process.pid) for process in find_holders(path.resolve())]
    return f" (pid {', '.join(pids)})" if pids else ""


def _folder_of(path: Path) -> Path:
    return path.with_name(path.name.removeprefix(".").removesuffix(".lock").removesuffix(".trainer"))

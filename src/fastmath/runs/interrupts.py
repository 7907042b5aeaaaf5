"""Ctrl-C and other requests to stop, while a notebook runs in a Jupyter kernel of its own.

The first request is passed on to the kernel, whose cell saves what can be saved and ends; papermill would give it five
seconds, and a training step may last minutes. The second request kills the kernel and all its descendants.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask for a stop: Ctrl-C, `kill` and the end of a batch job, and a terminal that is closed."""


class Interrupts:
    """Context manager that turns requests to stop into an orderly end; it must be entered in the main thread.

    Attributes:
        requested: number of requests so far.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Set whom to tell.

        Args:
            say: is told what happens on the first request.
        """
        self.requested = 0
        self._say = say
        self._earlier: dict[
            signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object] | int | None
        ] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            # A signal that is ignored stays so: `nohup` ignores SIGHUP, and a shell's `&` ignores SIGINT.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._earlier[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        if kind is KeyboardInterrupt:
            kill_descendants()

    def check(self) -> None:
        """Raise what has been requested.

        Raises:
            KeyboardInterrupt: there was a request.
        """
        if self.requested:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested += 1
        kernels = find_kernels()
        if self.requested > 1 or not kernels:
            raise KeyboardInterrupt
        self._say("stopping after the present step, whose work is saved; a second Ctrl-C kills it")
        for kernel in kernels:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(kernel.pid, signal.SIGINT)  # as Jupyter interrupts a kernel: with the processes of its group


def find_kernels() -> list[psutil.Process]:
    """The Jupyter kernels that this process has started."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "ipykernel_launcher" in " ".join(child.cmdline()):
                found.append(child)
    return found


def kill_descendants() -> None:
    """Kill all descendants of this process, and wait until they are gone."""
    family = psutil.Process().children(recursive=True)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=10)

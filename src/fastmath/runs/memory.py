"""Measuring the memory of a process together with its children."""

import contextlib
import threading
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 1.0
"""Time between two measurements, in seconds."""


class MemoryMonitor:
    """Context manager that measures the resident memory of this process and all its children, in a thread.

    Pages that processes share are counted in each of them, so the sum is an upper bound.

    Attributes:
        peak_gib: largest sum measured so far, in GiB.
    """

    def __init__(self) -> None:
        self.peak_gib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while True:
            resident = 0
            for process in (own, *own.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):  # it ended after the children were listed
                    resident += process.memory_info().rss
            self.peak_gib = max(self.peak_gib, resident / 2**30)
            if self._stop.wait(SAMPLE_SECONDS):
                return

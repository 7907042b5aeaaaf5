"""How much memory a process and its children take together."""

import contextlib
import threading
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 1.0


class MemoryMonitor:
    """Samples the resident memory of this process and all its children, in a thread, while it is entered.

    Pages shared between processes are counted in each of them, so the figure is an upper bound.
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
                with contextlib.suppress(psutil.NoSuchProcess):  # it ended between the listing and the look
                    resident += process.memory_info().rss
            self.peak_gib = max(self.peak_gib, resident / 2**30)
            if self._stop.wait(SAMPLE_SECONDS):
                return

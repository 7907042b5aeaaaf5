"""Measuring the memory of a process together with its children, and that of the GPUs."""

import contextlib
import threading
from types import TracebackType
from typing import Self

import psutil

from fastmath.runs.gpus import open_gpus

SAMPLE_SECONDS = 1.0
"""Time between two measurements, in seconds."""


class MemoryMonitor:
    """Context manager that measures the memory of a process and all its children, and that of the GPUs, in a thread.

    Of the main memory it is the resident part. Pages that processes share are counted in each of them, so the sum is an
    upper bound. Of a GPU it is the whole device: what other processes, also those of other users, hold is included.

    Attributes:
        peak_gib: largest sum measured so far, in GiB.
        peak_gpu_gib: largest memory in use on a single GPU so far, in GiB; None where there is no GPU.
    """

    def __init__(self, process: psutil.Process | None = None) -> None:
        """Measure this process and its children; None takes the running process."""
        self.peak_gib = 0.0
        self.peak_gpu_gib: float | None = None
        self._process = process or psutil.Process()
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

    def peaks(self) -> dict[str, float | None]:
        """The peaks as a manifest names them: `peak_memory_gib` and `peak_gpu_memory_gib`, to two decimals."""
        return {
            "peak_memory_gib": round(self.peak_gib, 2),
            "peak_gpu_memory_gib": None if self.peak_gpu_gib is None else round(self.peak_gpu_gib, 2),
        }

    def _watch(self) -> None:
        with open_gpus() as gpus:
            while True:
                self.peak_gib = max(self.peak_gib, self._measure_resident() / 2**30)
                used = (self.peak_gpu_gib, *(gpu.used_gib() for gpu in gpus))
                self.peak_gpu_gib = max((each for each in used if each is not None), default=None)
                if self._stop.wait(SAMPLE_SECONDS):
                    return

    def _measure_resident(self) -> int:
        """Resident bytes of the process and all its children; those that have ended have none."""
        processes, resident = [self._process], 0
        with contextlib.suppress(psutil.NoSuchProcess):
            processes += self._process.children(recursive=True)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended after the children were listed
                resident += process.memory_info().rss
        return resident

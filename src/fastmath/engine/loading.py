"""The load of an engine: how long it may take, which processes it starts, and what a smaller engine is.

A load may hang, on a network disk or while several GPUs look for each other, and a load that fails or hangs holds the
memory that the next one needs. So whoever starts a load keeps a hold on its processes, from any thread.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil

from fastmath.recipe.inference import EngineSettings

KILL_SECONDS = 10.0
"""Longest wait for killed processes to end, in seconds."""
LEAST_MEMORY_SHARE = 0.75
"""Part of the usual GPU memory that the smallest engine still takes, since its weights do not shrink."""
USUAL_UTILIZATION = 0.92
"""vLLM's own `gpu_memory_utilization` (vllm/config/cache.py)."""
CPU_CACHE = "VLLM_CPU_KVCACHE_SPACE"
"""Environment variable with the size of the KV cache on a CPU, in whole GiB."""


class LoadEndedError(RuntimeError):
    """This load was given up while it was under way."""


@dataclass(frozen=True)
class LoadRules:
    """How long an engine may load before it counts as hanging.

    Attributes:
        first_seconds: limit as long as no load has succeeded, in seconds.
        factor: limit of later loads, as a multiple of the first that succeeded.
        least_seconds: smallest limit of later loads, in seconds, for models that load in no time.
        ending_seconds: longest wait for a load whose processes were killed to fail, in seconds, before another begins.
    """

    first_seconds: float = 1200.0
    factor: float = 3.0
    least_seconds: float = 60.0
    ending_seconds: float = 5.0

    def limit(self, first_load: float | None) -> float:
        """Seconds that a load may take.

        Args:
            first_load: duration of the first load that succeeded, in seconds; None = none has.

        Example: 1,200 s at first; after a load of 100 s 3 * 100 = 300 s; after one of 5 s 60 s.
        """
        return self.first_seconds if first_load is None else max(self.factor * first_load, self.least_seconds)


class LoadProcesses:
    """The processes that a load starts: all descendants of this process that come up while it is under way."""

    def __init__(self) -> None:
        self._before = frozenset(psutil.Process().children(recursive=True))
        self._is_ended = False

    def find(self) -> list[psutil.Process]:
        """Those that live now, without Python's tracker of shared memory, which this process needs for its whole life.

        After `end` there are none: what comes up then belongs to another load.
        """
        if self._is_ended:
            return []
        started = [child for child in psutil.Process().children(recursive=True) if child not in self._before]
        return [child for child in started if _is_of_engine(child)]

    def kill(self, patience: float = KILL_SECONDS) -> None:
        """Kill those that live now, and wait until they are gone, at most `patience` seconds."""
        kill_processes(self.find(), patience)

    def end(self) -> None:
        """Kill those that live now, and give the load up: it must start no others."""
        self.kill()
        self._is_ended = True

    def require_wanted(self) -> None:
        """Return if the load is still wanted.

        Raises:
            LoadEndedError: it was given up, and another one may be under way.
        """
        if self._is_ended:
            raise LoadEndedError("this load took too long and was given up")


def kill_processes(processes: Iterable[psutil.Process], patience: float = KILL_SECONDS) -> None:
    """Kill these processes and wait until they are gone, at most `patience` seconds."""
    killed = list(processes)
    for process in killed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(killed, timeout=patience)


def shrink_engine(settings: EngineSettings, samples: int, scale: float) -> EngineSettings:
    """The settings of an engine that takes less memory than the recipe's.

    Args:
        settings: the recipe's settings.
        samples: largest number of samples per question, the batch of a recipe that sets no `max_num_seqs`.
        scale: share of the full batch and of a KV cache of a set size; 1.0 changes only a missing `max_num_seqs`.

    On a GPU, where vLLM takes a share of the memory whatever the batch is, that share falls to `LEAST_MEMORY_SHARE` of
    itself at most. vLLM may take less on a CPU, too, unless the size of its cache is set there.

    Example: 16 samples, scale 0.5: 8 at once, 0.92 * (0.75 + 0.25 * 0.5) = 0.805 of the GPU, 2 GiB of cache for 4.
    """
    arguments = dict(settings.arguments)
    arguments["max_num_seqs"] = max(1, int(scale * arguments.get("max_num_seqs", samples)))
    environment = dict(settings.environment)
    if scale < 1:
        utilization = arguments.get("gpu_memory_utilization", USUAL_UTILIZATION)
        kept = LEAST_MEMORY_SHARE + (1 - LEAST_MEMORY_SHARE) * scale
        arguments["gpu_memory_utilization"] = round(utilization * kept, 4)
        if arguments.get("kv_cache_memory_bytes"):
            arguments["kv_cache_memory_bytes"] = int(scale * arguments["kv_cache_memory_bytes"])
        if environment.get(CPU_CACHE):
            environment[CPU_CACHE] = str(max(1, int(scale * int(environment[CPU_CACHE]))))
    changes: dict[str, Any] = {"arguments": arguments, "environment": environment}
    return settings.model_copy(update=changes)


def _is_of_engine(child: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # it has ended; a zombie, which nobody has waited for yet, counts as such, too
        return False

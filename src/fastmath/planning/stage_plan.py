"""The plan of one stage: memory of a GPU part by part, time, and disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastmath.planning.machine import Machine

CONTEXT_GIB, FRAGMENTATION = 1.5, 0.04
"""Memory of CUDA, NCCL and the libraries on each GPU, and the share of the rest that an allocator cannot use."""
PROCESS_GIB = 1.0
"""Main memory of one process with torch and transformers."""


@dataclass(frozen=True)
class StagePlan:
    """What one stage of a recipe costs.

    Attributes:
        stage: name of the stage.
        processes: GPUs that it uses, or without GPUs processes.
        memory: part of the memory → GiB of one GPU; without GPUs, of the main memory of all processes together.
        memory_limit: memory of that GPU, in GiB.
        disk: GiB that it leaves on the disk.
        hours: wall time; None where the speed of the GPUs is not known or the stage is not a matter of hours.
        facts: what else is known: steps, tokens, samples.
        faults: why it cannot run, beside memory.
        mends: settings with which it would fit; only where it does not.
    """

    stage: str
    processes: int
    memory: Mapping[str, float]
    memory_limit: float
    disk: float = 0.0
    hours: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """All parts of the memory together, in GiB."""
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether the stage can run."""
        return not self.faults and self.total <= self.memory_limit


def add_overhead(memory: Mapping[str, float], processes: int, on_cpu: bool) -> dict[str, float]:
    """The parts of a training's memory with what no tensor accounts for; on CPUs of all processes together."""
    parts = {name: gib for name, gib in memory.items() if gib > 0}
    if not on_cpu:
        return parts | {"overhead": CONTEXT_GIB + FRAGMENTATION * sum(parts.values())}
    return {name: processes * gib for name, gib in parts.items()} | {"overhead": processes * PROCESS_GIB}


def find_faults(stage: str, processes: int, machine: Machine, on_cpu: bool, setting: str) -> tuple[str, ...]:
    """Why a stage cannot be launched on a machine at all.

    Args:
        stage: name of the stage.
        processes: GPUs that it wants.
        machine: the machine.
        on_cpu: whether it wants none.
        setting: what decides how many it wants, for the message.
    """
    if on_cpu:
        return ()
    if not machine.gpus:
        return (f"{stage} wants {processes} GPU{'s' * (processes > 1)}, and there is none ({setting})",)
    if processes > machine.all_gpus:
        return (f"{stage} wants {processes} GPUs, and there are {machine.all_gpus} ({setting})",)
    return ()

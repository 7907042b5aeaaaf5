"""Machines to plan for: the GPUs that recipes run on, as data, and the machine that this is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from fastmath.planning.memory import GIB
from fastmath.runs.gpus import open_gpus


@dataclass(frozen=True)
class GpuKind:
    """A model of GPU.

    Attributes:
        memory_gib: memory, in GiB.
        flops: dense bfloat16 operations a second (float16 where there is no bfloat16).
        bandwidth: memory bandwidth, in bytes a second.
    """

    memory_gib: float
    flops: float
    bandwidth: float


# NVIDIA's data sheets of each model, without sparsity; memory as `nvidia-smi` shows it.
GPUS: Mapping[str, GpuKind] = {
    "h200": GpuKind(140, 989e12, 4.8e12),
    "h100": GpuKind(79, 989e12, 3.35e12),
    "a100": GpuKind(79, 312e12, 2.04e12),
    "l40s": GpuKind(44, 362e12, 0.864e12),
    "l4": GpuKind(22, 121e12, 0.3e12),
    "rtx4090": GpuKind(23, 165e12, 1.008e12),
    "t4": GpuKind(14, 65e12, 0.32e12),
}


@dataclass(frozen=True)
class Machine:
    """What a plan is made for.

    Attributes:
        gpus: number of GPUs of each node; 0 plans for CPUs.
        memory_gib: memory of each GPU; without GPUs, the main memory of the node, in GiB.
        nodes: number of nodes.
        kind: speed of the GPUs; None where it is not known, so that no hours are told.
        main_memory_gib: main memory of each node, in GiB; infinite where it is not known.
    """

    gpus: int
    memory_gib: float
    nodes: int = 1
    kind: GpuKind | None = None
    main_memory_gib: float = math.inf

    @property
    def all_gpus(self) -> int:
        """GPUs of all nodes together."""
        return self.gpus * self.nodes


def find_kind(name: str) -> GpuKind | None:
    """The entry of `GPUS` for a name that a driver tells, such as `NVIDIA H100 80GB HBM3`; None if it has none."""
    words = name.lower().replace("-", " ").replace("rtx ", "rtx").split()
    return next((kind for key, kind in GPUS.items() if key in words), None)


def find_machine() -> Machine:
    """The machine that this is: its visible GPUs, or without any its main memory."""
    with open_gpus() as gpus:
        memory = [gib for gpu in gpus if (gib := gpu.total_gib()) is not None]
        names = [gpu.name() or "" for gpu in gpus]
    main = measure_main_memory()
    if not names:
        return Machine(0, main, main_memory_gib=main)
    # A GPU that does not tell its memory is trusted to suffice.
    return Machine(len(names), min(memory, default=math.inf), kind=find_kind(names[0]), main_memory_gib=main)


def measure_main_memory() -> float:
    """Main memory that this process may use, in GiB: the machine's, or the limit of its control group."""
    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(total, int(text) if text.isdecimal() else total) / GIB

"""The GPUs, asked of their driver by NVML: CUDA, which would keep memory of every GPU, is never initialised for it.

NVML knows all GPUs of the machine. Those of `CUDA_VISIBLE_DEVICES` are meant here where that variable is set: indices,
or whole UUIDs of GPUs or MIG slices, separated by commas; as with CUDA, the list ends before the first entry that names
no GPU. An index counts in the order of the PCI bus, which is CUDA's own where all GPUs are of one model.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    """One GPU, as long as `open_gpus` is open.

    Attributes:
        nvml: the module `pynvml`.
        handle: NVML's handle of the GPU.
    """

    nvml: ModuleType
    handle: Any

    def name(self) -> str | None:
        """Name of the model; None where the driver does not tell."""
        with contextlib.suppress(self.nvml.NVMLError):
            return self.nvml.nvmlDeviceGetName(self.handle)
        return None

    def used_gib(self) -> float | None:
        """Memory in use on the whole device, by all processes of all users, in GiB; None where it is not told."""
        with contextlib.suppress(self.nvml.NVMLError):  # some share the main memory, and one can be lost meanwhile
            return self.nvml.nvmlDeviceGetMemoryInfo(self.handle).used / 2**30
        return None

    def total_gib(self) -> float | None:
        """Memory of the device, in GiB; None where it is not told."""
        with contextlib.suppress(self.nvml.NVMLError):
            return self.nvml.nvmlDeviceGetMemoryInfo(self.handle).total / 2**30
        return None

    def capability(self) -> float | None:
        """CUDA's compute capability, such as 8.9; None where it is not told."""
        with contextlib.suppress(self.nvml.NVMLError):
            major, minor = self.nvml.nvmlDeviceGetCudaComputeCapability(self.handle)
            return major + minor / 10
        return None


@contextlib.contextmanager
def open_gpus() -> Iterator[list[Gpu]]:
    """The visible GPUs; none, and no error, without the package nvidia-ml-py, a driver or a GPU."""
    try:
        import pynvml  # needed where a stage runs, and not by readers of its manifest
    except ImportError:
        yield []
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        yield []
        return
    try:
        yield [Gpu(pynvml, handle) for handle in _find_handles(pynvml)]
    finally:
        pynvml.nvmlShutdown()


def list_gpu_names() -> list[str]:
    """Names of the visible GPUs, in order."""
    with open_gpus() as gpus:
        return [name for gpu in gpus if (name := gpu.name()) is not None]


def list_visible_devices() -> list[str]:
    """The visible GPUs as entries of `CUDA_VISIBLE_DEVICES`, in order; none without a GPU."""
    with open_gpus() as gpus:
        count = len(gpus)
    visible = os.environ.get(VISIBLE_VARIABLE)
    named = [str(index) for index in range(count)] if visible is None else [each.strip() for each in visible.split(",")]
    return named[:count]


def _find_handles(nvml: ModuleType) -> list[Any]:
    visible = os.environ.get(VISIBLE_VARIABLE)
    handles = []
    if visible is None:
        for index in range(nvml.nvmlDeviceGetCount()):
            with contextlib.suppress(nvml.NVMLError):  # one that this user may not use is counted as well
                handles.append(nvml.nvmlDeviceGetHandleByIndex(index))
        return handles
    for entry in map(str.strip, visible.split(",")):
        try:
            by_index = entry.isdecimal()
            handles.append(
                nvml.nvmlDeviceGetHandleByIndex(int(entry)) if by_index else nvml.nvmlDeviceGetHandleByUUID(entry)
            )
        except nvml.NVMLError:
            break
    return handles

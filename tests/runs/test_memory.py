"""The memory monitor; of the GPUs NVML's module alone is faked."""

import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import psutil
import pytest

from fastmath.runs import memory
from fastmath.runs.gpus import VISIBLE_VARIABLE
from fastmath.runs.memory import MemoryMonitor


@pytest.fixture
def used(monkeypatch):
    """Memory in use, in GiB, on each of the two GPUs that the monitor finds; it measures every 10 ms."""
    used = [1.0, 2.0]
    nvml = ModuleType("pynvml")
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    nvml.nvmlInit = nvml.nvmlShutdown = lambda: None
    nvml.nvmlDeviceGetCount = lambda: len(used)
    nvml.nvmlDeviceGetHandleByIndex = lambda index: index
    nvml.nvmlDeviceGetMemoryInfo = lambda handle: SimpleNamespace(used=int(used[handle] * 2**30))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv(VISIBLE_VARIABLE, raising=False)
    monkeypatch.setattr(memory, "SAMPLE_SECONDS", 0.01)
    return used


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_peak_of_the_processes_is_measured():
    with MemoryMonitor() as monitor:
        pass
    assert monitor.peak_gib > 0


def test_another_process_is_measured_without_this_one():
    idle = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with MemoryMonitor(psutil.Process(idle.pid)) as monitor:
        wait_for(lambda: monitor.peak_gib > 0)
        idle.communicate(b"\n")
    # An interpreter alone takes some 10 MiB; this one has imported a good deal more.
    assert monitor.peak_gib < psutil.Process().memory_info().rss / 2**30


def test_a_process_that_has_ended_takes_nothing():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(ended.pid)
    ended.wait()
    with MemoryMonitor(process) as monitor:
        pass
    assert monitor.peak_gib == 0.0


def test_the_peak_of_the_gpus_is_that_of_the_fullest_one(used):
    with MemoryMonitor() as monitor:
        pass
    assert monitor.peak_gpu_gib == 2.0


def test_the_peak_of_the_gpus_outlasts_their_use(used):
    with MemoryMonitor() as monitor:
        used[0] = 40.0
        wait_for(lambda: monitor.peak_gpu_gib == 40.0)
        used[0] = 1.0
        time.sleep(0.1)  # some ten measurements
    assert monitor.peak_gpu_gib == 40.0


def test_without_a_gpu_there_is_no_peak(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # then importing it raises ImportError
    with MemoryMonitor() as monitor:
        pass
    assert monitor.peak_gpu_gib is None


def test_the_peaks_are_rounded_for_the_manifest(used):
    used[1] = 2.3456
    with MemoryMonitor() as monitor:
        pass
    assert monitor.peaks() == {"peak_memory_gib": round(monitor.peak_gib, 2), "peak_gpu_memory_gib": 2.35}

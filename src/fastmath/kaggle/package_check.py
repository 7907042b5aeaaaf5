"""A check that a built package would run on Kaggle: of its metadata, and of its notebook in an imitation of Kaggle.

The imitation is a fresh virtual environment without a package index and without a network, beside a folder with the
layout of `/kaggle/input`: the dataset with the wheels, one model, the competition's `test.csv`. In the place of
Kaggle's image it has Jupyter and, older than the kernel's own, numpy, pandas, matplotlib and protobuf, the first three
imported before the notebook's first line. Then the built notebook is run with the parameters that it was built with; it
installs the rest itself.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from fastmath.contest.gateway import SUBMISSION
from fastmath.contest.questions import QUESTIONS, read_questions, write_asked, write_questions
from fastmath.kaggle.metadata import DATASET_FOLDER, PackageError, check_metadata
from fastmath.kaggle.packaging import NOTEBOOK_FILE, link_files, read_parameters
from fastmath.kaggle.wheels import (
    IMAGE,
    WHEELS,
    download_command,
    find_interpreter,
    read_python,
    read_wheel_list,
)
from fastmath.kernel.submission import SUBMISSION_SCHEMA
from fastmath.runs.stage import MissingStageError

EXECUTED = "checked.ipynb"
BANNED = ("trl", "deepspeed")
"""Packages that the notebook must not import: only training needs them, and Kaggle lacks them."""
NOTEBOOK_SECONDS = 3600
"""Longest time for the installation of Jupyter and for the notebook each, in seconds."""
_OFFLINE = Path(__file__).parent / "offline"
_IMAGE_PROFILE = """# As in Kaggle's image, which shows plots inline; what is imported cannot be replaced.
c = get_config()
c.IPKernelApp.matplotlib = "inline"
c.IPKernelApp.exec_lines = ["import numpy, pandas, matplotlib.pyplot"]
"""
_DROPPED_PREFIXES = ("PIP_", "PYTHON", "VIRTUAL_ENV", "JUPYTER", "KAGGLE_", "HF_")


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked.
        holds: whether the check passed.
        detail: what was found, or why the check failed.
    """

    name: str
    holds: bool
    detail: str


def check_package(
    folder: Path, wheels: Path, model: Path, questions: Path, overrides: Mapping[str, Any]
) -> Iterator[Finding]:
    """Check a built package step by step; a failed step ends the check, except for mistakes in the metadata.

    Args:
        folder: folder of the package, `dist/kernel` by convention, built with the wheel lists for this machine.
        wheels: folder with the downloaded wheels.
        model: folder of a quantised checkpoint that this machine can run.
        questions: CSV that takes the place of the competition's `test.csv`.
        overrides: settings beside those that the notebook was built with, for what this machine does not have, such as
            four GPUs; empty to check the package as it is.

    Raises:
        PackageError: a wheel is missing, or the Python that they are for.
        fastmath.contest.questions.GatewayError: the CSV holds no questions.
    """
    problems = check_metadata(folder)
    yield Finding("metadata", not problems, "; ".join(problems) or "as the kaggle client wants them")
    asked = read_questions(questions)
    dataset = folder / DATASET_FOLDER
    yield Finding("wheels", True, f"{_require_wheels(dataset, wheels)} in {wheels}")
    isolation, how = _find_isolation()
    yield Finding("network", True, how)
    with tempfile.TemporaryDirectory(prefix="fastmath-check-") as temporary:
        python = read_python(dataset / WHEELS)
        place = _KaggleImitation(Path(temporary), isolation, find_interpreter(python))
        began = time.monotonic()
        place.mount(dataset, wheels, model, asked)
        finished = place.install(IMAGE)
        image = f"Python {python}, Jupyter and older packages, without an index, in {time.monotonic() - began:.0f} s"
        yield _judge("fresh environment", finished, image)
        if finished.returncode:
            return
        began = time.monotonic()
        finished = place.run_notebook(folder / NOTEBOOK_FILE, folder / EXECUTED, overrides)
        seconds = time.monotonic() - began
        yield _judge("notebook", finished, f"installed the kernel and played in {seconds:.0f} s; {folder / EXECUTED}")
        if finished.returncode:
            return
        yield from place.judge_results(asked)


def write_held_out(run_dir: Path, path: Path, count: int = 3) -> Path:
    """Write the first `count` held-out problems of a run as a CSV in place of a competition's `test.csv`.

    Raises:
        fastmath.runs.stage.MissingStageError: the run has no held-out problems.
    """
    held_out = run_dir / "build_data" / "test.parquet"
    if not held_out.is_file():
        raise MissingStageError(f"there are no held-out problems in {held_out}; name questions of your own with --csv")
    return write_questions(held_out, path, count, answers=False)


class _KaggleImitation:
    """A folder that imitates Kaggle's machine: `input`, `working`, a virtual environment, a home folder.

    `isolation` is put before every command, so that it has no network; `interpreter` is the Python of the image.
    """

    def __init__(self, root: Path, isolation: list[str], interpreter: Path) -> None:
        self.root, self.isolation = root, isolation
        self.input, self.working, self.log = root / "input", root / "working", root / "imports.log"
        self.python = root / "environment" / "bin" / "python"
        for folder in (self.input, self.working, root / "home", root / "temporary"):
            folder.mkdir()
        subprocess.run([str(interpreter), "-m", "venv", str(root / "environment")], check=True)
        profile = root / "home" / ".ipython" / "profile_default"
        profile.mkdir(parents=True)
        (profile / "ipython_kernel_config.py").write_text(_IMAGE_PROFILE)

    def mount(self, dataset: Path, wheels: Path, model: Path, asked: pl.DataFrame) -> None:
        link_files(dataset, self.input / "wheels")
        link_files(wheels, self.input / "wheels")
        link_files(model, self.input / "model" / "transformers" / "awq" / "1")
        competition = self.input / "competition"
        competition.mkdir()
        write_asked(asked, competition / QUESTIONS)

    def install(self, name: str) -> subprocess.CompletedProcess[str]:
        wheels = self.input / "wheels"
        options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--find-links", str(wheels)]
        return self._run("-m", "pip", "install", *options, "-r", str(wheels / name))

    def run_notebook(
        self, notebook: Path, output: Path, overrides: Mapping[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        parameters = self.root / "parameters.yaml"
        values: dict[str, Any] = {"inputs": str(self.input)}
        if overrides:
            values["overrides"] = read_parameters(json.loads(notebook.read_text()))["overrides"] | dict(overrides)
        parameters.write_text(yaml.safe_dump(values))
        arguments = [str(notebook.resolve()), str(output.resolve()), "-f", str(parameters), "--no-progress-bar"]
        return self._run("-m", "papermill", *arguments)

    def judge_results(self, asked: pl.DataFrame) -> Iterator[Finding]:
        imported = sorted(set(self.log.read_text().splitlines())) if self.log.exists() else []
        yield Finding("imports", not imported, f"{', '.join(imported) or 'neither ' + ' nor '.join(BANNED)} imported")
        changed = self.find_changes()
        yield Finding("image", not changed, ", ".join(changed) or "none of its packages has been changed")
        report = json.loads((self.working / "kernel" / "report.json").read_text())
        counts = [f"{name.replace('_', ' ')} {report[name]}" for name in ("by_vote", "by_fallback", "errors", "tokens")]
        yield Finding("votes", report["tokens"] > 0, ", ".join(counts))
        path = self.working / SUBMISSION
        if not path.exists():
            yield Finding("submission", False, f"{SUBMISSION} is not in the notebook's folder")
            return
        submission = pl.read_parquet(path)
        holds = dict(submission.schema) == SUBMISSION_SCHEMA and sorted(submission["id"]) == sorted(asked["id"])
        yield Finding(
            "submission", holds, f"{submission.height} of {asked.height} questions, {dict(submission.schema)}"
        )

    def find_changes(self) -> list[str]:
        """Packages of the image that no longer have the version that was installed."""
        listed = read_wheel_list(self.input / "wheels" / IMAGE)
        frozen = self._run("-m", "pip", "list", "--format=json").stdout
        found = {each["name"].lower().replace("_", "-"): each["version"] for each in json.loads(frozen)}
        return [f"{name} {found.get(name)}" for name, version in listed.items() if found.get(name) != version]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED_PREFIXES)}
        environment |= {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "temporary"),
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONPATH": str(_OFFLINE),
            "FASTMATH_WATCHED": ",".join(BANNED),
            "FASTMATH_WATCH_LOG": str(self.log),
        }
        command = [*self.isolation, str(self.python), *arguments]
        try:
            return subprocess.run(
                command,
                cwd=self.working,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=NOTEBOOK_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"it was still running after {NOTEBOOK_SECONDS} s")


def _judge(name: str, finished: subprocess.CompletedProcess[str], detail: str) -> Finding:
    if finished.returncode == 0:
        return Finding(name, True, detail)
    return Finding(name, False, f"ended with {finished.returncode}: {finished.stderr.strip()[-2000:]}")


def _require_wheels(dataset: Path, wheels: Path) -> int:
    """The number of listed wheels, once it is sure that every one of them is in one of the two folders.

    Raises:
        PackageError: a wheel is missing.
    """
    # The two lists hold some packages in two versions.
    listed = {*read_wheel_list(dataset / WHEELS).items(), *read_wheel_list(dataset / IMAGE).items()}
    there = {tuple(path.name.split("-")[:2]) for folder in (dataset, wheels) for path in folder.glob("*.whl")}
    held = {(name.lower().replace("_", "-").replace(".", "-"), version.partition("+")[0]) for name, version in there}
    missing = [
        f"{name}=={version}" for name, version in sorted(listed) if (name.replace(".", "-"), version) not in held
    ]
    if missing:
        named = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise PackageError(
            f"{wheels} lacks {len(missing)} of {len(listed)} wheels ({named}); download them there: cd {dataset} && "
            f"{download_command(read_python(dataset / WHEELS), str(wheels.resolve()))}"
        )
    return len(listed)


def _find_isolation() -> tuple[list[str], str]:
    """What to put before a command so that it has no network, and a description of the isolation.

    The prefix is empty where the machine does not allow `unshare --net`.
    """
    prelude = [sys.executable, str(_OFFLINE / "loopback.py")]
    for options in (["--net"], ["--user", "--map-root-user", "--net"]):
        command = ["unshare", *options, *prelude]
        if (
            shutil.which("unshare")
            and not subprocess.run([*command, "/bin/true"], check=False, capture_output=True).returncode
        ):
            return command, "off: a namespace that has no device but loopback"
    return [], (
        "could not be switched off, as `unshare --net` is not allowed here; Python's own connections to other machines "
        "are refused instead, those of compiled code are not"
    )

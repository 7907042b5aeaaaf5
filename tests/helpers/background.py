"""Long commands that several tests look at, run once a session, in the background while other tests run.

They run one after the other on the second core: the whole tiny chain, and then what is asked of its model.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import yaml

from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.runs.pipeline import StageResult, run_stage
from fastmath.runs.stages import NOTEBOOKS
from helpers.files import FIXTURES, SHARED
from helpers.tiny_recipe import TINY

REAL_QUESTIONS = SHARED / "problems" / "aimo2_reference.csv"
QUESTIONS = REAL_QUESTIONS if REAL_QUESTIONS.exists() else FIXTURES / "questions.csv"
"""The competition's own reference problems, where they are at hand."""

Finished = subprocess.CompletedProcess[str]
POLL_SECONDS = 0.2
DETACHED = '("$@" >"$out" 2>"$err"; echo $? >"$rc.part"; mv "$rc.part" "$rc") </dev/null >/dev/null 2>&1 & echo $!'
"""A shell that leaves a command behind, its output and exit code in files, and prints the number of its process."""


class Background:
    """Starts jobs on first demand, the tiny chain before all others."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fastmath-tests-"))
        self.run_dir = self.folder / "tiny"
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._jobs: dict[str, Future[Finished]] = {}
        self._running: psutil.Process | None = None
        self._work: Mapping[str, Callable[[], Finished]] = {
            "tiny_run": self._run_chain,
            "served": self._serve,
            "reference_contest": self._play_reference,
        }

    def start(self, name: str) -> Future[Finished]:
        """The job of this name, which is started unless it has been."""
        if name != "tiny_run":
            self.start("tiny_run")
        if name not in self._jobs:
            self._jobs[name] = self._pool.submit(self._work[name])
        return self._jobs[name]

    def close(self) -> None:
        """End what is still running, and remove what was made."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._running is not None and self._running.is_running():
            for process in [*self._running.children(recursive=True), self._running]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def results(self) -> list[StageResult]:
        """What became of every stage of the tiny chain.

        Raises:
            AssertionError: it failed; with the end of what it said.
        """
        finished = self.start("tiny_run").result()
        assert finished.returncode == 0, finished.stderr[-4000:]
        return [StageResult(**result) for result in json.loads(finished.stdout.splitlines()[-1])]

    def _run(self, *command: str, **environment: str) -> Finished:
        """Run Python with these arguments, as nobody's child.

        Tests of engines kill whatever children their own process has got meanwhile.
        """
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        files = {name: folder / name for name in ("out", "err", "rc")}
        started = subprocess.run(
            ["sh", "-c", DETACHED, "sh", sys.executable, *command], capture_output=True, text=True, check=True,
            cwd=REPOSITORY_FOLDER, env=os.environ | environment | {name: str(path) for name, path in files.items()},
            start_new_session=True,
        )  # fmt: skip
        self._running = psutil.Process(int(started.stdout))
        while not files["rc"].exists():
            time.sleep(POLL_SECONDS)
            # In this order: a command that ends between the two looks has left its exit code.
            assert self._running.is_running() or files["rc"].exists(), f"{command} was killed"
        code, output, error = (files[name].read_text() for name in ("rc", "out", "err"))
        return subprocess.CompletedProcess(command, int(code), output, error)

    def _run_chain(self) -> Finished:
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return self._run("-m", "helpers.background", str(self.run_dir), PYTHONPATH=path)

    def _serve(self) -> Finished:
        questions = self.folder / "questions.csv"
        questions.write_text("id,question\n000a1,What is 1+1?\n057,What is 2+2?\n")
        return self._run(
            *("-m", "fastmath.cli.main", "kernel", "serve", "--run-dir", str(self.run_dir), "--csv", str(questions)),
            *("--output", str(self.folder / "served"), "--json", "--set", "kernel.limit_seconds=120"),
            *("--contest", "aimo3"),
        )

    def _play_reference(self) -> Finished:
        run_dir = self.folder / "reference"
        for stage in ("build_data", "quantize_awq"):
            shutil.copytree(self.run_dir / stage, run_dir / stage)
        parameters = {"recipe": "nano", "run_dir": str(run_dir), "questions": str(QUESTIONS)}
        parameters["overrides"] = TINY | {"kernel.limit_seconds": 30.0}
        (run_dir / "parameters.yaml").write_text(yaml.safe_dump(parameters))
        return self._run(
            *("-m", "papermill", "--no-progress-bar", str(REPOSITORY_FOLDER / NOTEBOOKS["kernel"])),
            *(str(run_dir / "kernel.ipynb"), "-f", str(run_dir / "parameters.yaml")),
        )


if __name__ == "__main__":
    run_dir = Path(sys.argv[1])
    results = [vars(run_stage(stage, "nano", run_dir, TINY)) for stage in NOTEBOOKS]
    sys.stdout.write(json.dumps(results) + "\n")

"""Training that is interrupted or killed loses little, and goes on where it stopped. Real processes, real TRL."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from fastmath.data import build
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from fastmath.training.checkpoints import find_last_checkpoint
from helpers.tiny_recipe import TINY

STEPS = 40
OVERRIDES = TINY | {
    "sft.trainer.max_steps": STEPS,
    "sft.trainer.save_steps": 5,
    "sft.trainer.logging_steps": 1,
    "sft.first_epoch_run": False,
}
PROGRAM = """
import json, sys
from fastmath.runs.pipeline import open_stage
from fastmath.training import sft
stage = open_stage("sft", "nano", sys.argv[1], json.loads(sys.argv[2]))
with stage.running():
    sft.run(stage)
"""


@pytest.fixture
def run_dir(tmp_path) -> Path:
    stage = Stage("build_data", load_recipe("nano", TINY), tmp_path)
    with stage.running():
        build.run(stage)
    return tmp_path


def start(run_dir: Path, **changes: Any) -> subprocess.Popen[str]:
    """Train; `__` in the name of a change is a dot."""
    settings = OVERRIDES | {f"sft.{name.replace('__', '.')}": value for name, value in changes.items()}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(run_dir), json.dumps(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )


def logged_steps(run_dir: Path, folder: str = "sft") -> list[int]:
    path = run_dir / folder / "metrics.jsonl"
    records = map(json.loads, path.read_text().splitlines()) if path.exists() else []
    return [record["step"] for record in records if "loss" in record]


def wait_for_step(run_dir: Path, step: int, folder: str = "sft") -> None:
    deadline = time.monotonic() + 240
    while max(logged_steps(run_dir, folder), default=0) < step:
        assert time.monotonic() < deadline, "training did not start"
        time.sleep(0.1)


def last_step(run_dir: Path) -> int:
    checkpoint = find_last_checkpoint(run_dir / "sft" / "checkpoints")
    return 0 if checkpoint is None else int(checkpoint.name.rpartition("-")[2])


@pytest.mark.slow
def test_an_interrupt_saves_a_checkpoint_and_the_next_run_goes_on_from_it(run_dir):
    first = start(run_dir)
    wait_for_step(run_dir, 8)
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=120) != 0
    saved = last_step(run_dir)
    # the step that ran when the interrupt came was finished and saved, whatever save_steps says
    assert 8 <= saved < STEPS
    assert json.loads((run_dir / "sft" / "manifest.json").read_text())["status"] == "interrupted"

    second = start(run_dir)
    assert second.wait(timeout=240) == 0, second.stderr.read()
    # every step once, in order: none lost, none repeated
    assert logged_steps(run_dir) == list(range(1, STEPS + 1))
    assert (run_dir / "sft" / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_an_interrupted_comparison_run_goes_on_and_the_whole_schedule_is_not_trained_again(run_dir):
    first = start(run_dir, first_epoch_run=True, accelerate="cpu2")
    wait_for_step(run_dir, 8, "sft/first_epoch")
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=120) != 0
    weights = run_dir / "sft" / "model" / "model.safetensors"
    finished = weights.stat().st_mtime_ns
    assert not (run_dir / "sft" / "first_epoch" / "model").exists()

    second = start(run_dir, first_epoch_run=True, accelerate="cpu2")
    assert second.wait(timeout=240) == 0, second.stderr.read()
    assert logged_steps(run_dir, "sft/first_epoch") == list(range(1, STEPS + 1))
    assert weights.stat().st_mtime_ns == finished


@pytest.mark.slow
def test_a_killed_notebook_does_not_leave_its_trainer_running(run_dir):
    first = start(run_dir)
    wait_for_step(run_dir, 8)
    first.kill()
    first.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _trainers(run_dir):
        time.sleep(0.5)
    assert not _trainers(run_dir)
    assert last_step(run_dir) >= 8


def _trainers(run_dir: Path) -> list[psutil.Process]:
    # Not by `ps`: it cuts its lines at COLUMNS, and with them the run folder by which trainers are known.
    found = psutil.process_iter(["cmdline", "status"])
    return [
        process
        for process in found
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(run_dir) in " ".join(process.info["cmdline"] or ())
    ]

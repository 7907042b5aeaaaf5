"""Training that is interrupted or killed loses little, and goes on where it stopped. Real processes, real TRL."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def start(run_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(run_dir), json.dumps(OVERRIDES)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )


def logged_steps(run_dir: Path) -> list[int]:
    path = run_dir / "sft" / "metrics.jsonl"
    records = map(json.loads, path.read_text().splitlines()) if path.exists() else []
    return [record["step"] for record in records if "loss" in record]


def wait_for_step(run_dir: Path, step: int) -> None:
    deadline = time.monotonic() + 240
    while max(logged_steps(run_dir), default=0) < step:
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

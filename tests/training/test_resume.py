"""A training that is killed at any moment goes on to the losses, rewards and weights that it would have had."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from fastmath.data import build
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from helpers.tiny_recipe import TINY
from helpers.two_processes import largest_difference, read_steps

pytestmark = pytest.mark.slow

SETTINGS = TINY | {
    "data.nano.train_problems": 400,
    "sft.first_epoch_run": False,
    "sft.trainer.max_steps": 40,
    "sft.trainer.save_steps": 10,
    "sft.trainer.save_total_limit": 10,
    "sft.trainer.logging_steps": 1,
    "grpo.rewards": "paper",  # by the default ones a model of 40 steps earns nothing, and the guard ends it
    "grpo.trainer.max_steps": 8,
    "grpo.trainer.save_steps": 2,
    "grpo.trainer.max_completion_length": 48,
    "grpo.trainer.use_vllm": True,
    "grpo.trainer.vllm_max_model_length": 256,
}
PROGRAM = """
import json, sys
from fastmath.runs.pipeline import open_stage
from fastmath.training import grpo, sft
name = sys.argv[1]
stage = open_stage(name, "nano", sys.argv[2], json.loads(sys.argv[3]))
with stage.running():
    {"sft": sft, "grpo": grpo}[name].run(stage)
"""
UNSEEN = ("time", "per_second", "num_tokens")
"""Parts of the names of metrics that tell of the clock and of the life of one process."""
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


class Training:
    """A stage in a run folder, in a process of its own that can be killed."""

    def __init__(self, stage: str, run_dir: Path, settings: dict[str, object]) -> None:
        self.folder = run_dir / stage
        self._command = [sys.executable, "-c", PROGRAM, stage, str(run_dir), json.dumps(settings)]

    def finish(self) -> None:
        finished = subprocess.run(self._command, capture_output=True, text=True, env=ENVIRONMENT)
        assert finished.returncode == 0, finished.stderr[-3000:]

    def kill_when(self, moment: Callable[[], bool]) -> None:
        """Kill the command and all ranks as soon as the moment has come."""
        process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        deadline = time.monotonic() + 300
        while not moment():
            assert time.monotonic() < deadline, "the moment did not come"
            assert process.poll() is None, "the training ended before"
            time.sleep(0.0005)
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in family:
            each.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(family, timeout=30)

    def steps(self) -> list[dict[str, float]]:
        """Every logged step without what the clock says."""
        return [
            {name: value for name, value in row.items() if not any(part in name for part in UNSEEN)}
            for row in read_steps(self.folder)
        ]

    def has_logged(self, step: int) -> bool:
        path = self.folder / "metrics.jsonl"
        return path.exists() and f'"step": {step},' in path.read_text()

    def is_writing(self, step: int) -> bool:
        return (self.folder / "checkpoints" / f"checkpoint-{step}").exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    stage = Stage("build_data", load_recipe("nano", SETTINGS), folder)
    with stage.running():
        build.run(stage)
    return folder


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """SFT and GRPO that nothing interrupts."""
    return begin(data, tmp_path_factory.mktemp("alone"))


def begin(data: Path, run_dir: Path) -> dict[str, Training]:
    (run_dir / "build_data").symlink_to(data / "build_data")
    return {stage: Training(stage, run_dir, SETTINGS) for stage in ("sft", "grpo")}


def require_same(one: Training, other: Training) -> None:
    assert one.steps() == other.steps()
    weights = [load_file(each.folder / "model" / "model.safetensors") for each in (one, other)]
    assert largest_difference(*weights) == 0.0


def test_a_training_that_is_killed_goes_on_as_if_nothing_had_been(data, alone, tmp_path):
    killed = begin(data, tmp_path)
    for stage, step, checkpoint in (("sft", 14, 30), ("grpo", 3, 6)):
        alone[stage].finish()
        training = killed[stage]
        training.kill_when(lambda: training.has_logged(step))  # noqa: B023 (called in this round)
        training.kill_when(lambda: training.is_writing(checkpoint))  # noqa: B023
        training.finish()
        require_same(training, alone[stage])
        assert len(training.steps()) == SETTINGS[f"{stage}.trainer.max_steps"]

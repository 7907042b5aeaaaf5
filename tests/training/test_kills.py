"""Trainings of two processes that are interrupted or killed in every way lose nothing and leave nothing behind.

Everything is real: `fastmath run`, papermill's Jupyter kernel, accelerate, two ranks of TRL's trainer joined by gloo.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpers.small_disk import mount_small_disk
from helpers.tiny_recipe import TINY

pytestmark = pytest.mark.slow

STEPS = 5
SETTINGS = TINY | {
    "data.nano.train_problems": 400,
    "sft.accelerate": "cpu2",
    "sft.first_epoch_run": False,
    "sft.trainer.max_steps": STEPS,
    "sft.trainer.save_steps": 2,
    "sft.trainer.logging_steps": 1,
    "sft.trainer.per_device_train_batch_size": 8,
    "sft.trainer.gradient_accumulation_steps": 8,
}
# A step then takes six seconds and more: longer than Jupyter waits before it kills a kernel.
LONG_STEPS = {
    "model.nano.layers": 8,
    "model.nano.hidden_size": 384,
    "model.nano.heads": 4,
    "model.nano.intermediate_size": 1024,
}
# Checkpoints of this model take 5.6 MiB each.
NANO_SIZED = {key: value for key, value in SETTINGS.items() if not key.startswith("model.")} | {"sft.accelerate": "cpu"}
JUPYTER_SECONDS = 5.0
PATIENCE_SECONDS = 240


class Run:
    """A run folder, and the commands that write it."""

    def __init__(self, run_dir: Path, settings: dict[str, object]) -> None:
        self.run_dir, self.settings = run_dir, settings

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        settings = [part for key, value in self.settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
        stages = arguments or ("--from", "sft", "--to", "sft")
        command = ["-m", "fastmath.cli.main", "run", "nano", "--run-dir", str(self.run_dir), *settings, *stages]
        return subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def steps(self) -> list[int]:
        path = self.run_dir / "sft" / "metrics.jsonl"
        rows = map(json.loads, path.read_text().splitlines()) if path.exists() else []
        return [row["step"] for row in rows if "loss" in row]

    def wait_for_step(self, step: int) -> None:
        wait_until(lambda: max(self.steps(), default=0) >= step, f"step {step}")

    def processes(self, name: str = "fastmath.training.sft") -> list[psutil.Process]:
        """The processes that train in the run folder: the launcher and its ranks, or those of another name."""
        found = []
        for process in psutil.process_iter(["cmdline", "ppid", "status"]):
            words = " ".join(process.info["cmdline"] or ())
            if process.info["status"] != psutil.STATUS_ZOMBIE and name in words and str(self.run_dir) in words:
                found.append(process)
        return found

    def ranks(self) -> list[psutil.Process]:
        return [process for process in self.processes() if "accelerate.commands.launch" not in process.info["cmdline"]]

    def launchers(self) -> list[psutil.Process]:
        """The launchers; a child that one has forked and that has not yet become another program is none."""
        found = [process for process in self.processes() if "accelerate.commands.launch" in process.info["cmdline"]]
        return [process for process in found if process.info["ppid"] not in {other.pid for other in found}]

    def wait_until_gone(self) -> None:
        wait_until(lambda: not self.processes(), "the end of all ranks")

    def status(self) -> str:
        return json.loads((self.run_dir / "sft" / "manifest.json").read_text())["status"]

    def whole_checkpoints(self) -> list[int]:
        """Steps of the checkpoints that hold weights, optimiser, the random states of both ranks, and the state."""
        wanted = ("model.safetensors", "optimizer.pt", "rng_state_0.pth", "rng_state_1.pth", "trainer_state.json")
        folders = (self.run_dir / "sft" / "checkpoints").glob("checkpoint-*")
        whole = [path for path in folders if all((path / name).exists() for name in wanted)]
        return sorted(int(path.name.rpartition("-")[2]) for path in whole)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def kernel_of(command: subprocess.Popen[str]) -> psutil.Process:
    """The Jupyter kernel of a running command."""
    for child in psutil.Process(command.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # another child that has just ended
            if "ipykernel_launcher" in child.cmdline():
                return child
    raise AssertionError(f"the command {command.pid} has no Jupyter kernel")


def make_run(folder: Path, settings: dict[str, object]) -> Run:
    run = Run(folder, settings)
    data = run.start("--to", "build_data")
    output = data.communicate(timeout=PATIENCE_SECONDS)[0]
    assert data.returncode == 0, output
    return run


@pytest.fixture(scope="module")
def short_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("short") / "run", SETTINGS).run_dir


@pytest.fixture
def run(short_data: Path, tmp_path: Path) -> Run:
    """A run with its data, and steps that are short."""
    shutil.copytree(short_data, tmp_path / "run")
    return Run(tmp_path / "run", SETTINGS | {"sft.trainer.max_steps": 400})


def test_a_dead_kernel_and_an_interrupt_lose_no_step_of_two_ranks(tmp_path):
    run = make_run(tmp_path / "run", SETTINGS | LONG_STEPS)
    first = run.start()
    run.wait_for_step(1)
    assert len(run.ranks()) == 2
    kernel_of(first).kill()
    assert "its Jupyter kernel died" in first.communicate(timeout=60)[0]

    # The step goes on for longer than any kernel waits; the next command waits for it and starts no second trainer.
    second, launchers = run.start(), []

    def watch() -> bool:
        launchers.append(len(run.launchers()))
        return max(run.steps(), default=0) >= 3 or second.poll() is not None

    wait_until(watch, "step 3, by the second command")
    assert (second.poll(), max(launchers)) == (None, 1)

    began = time.monotonic()
    second.send_signal(signal.SIGINT)
    output = second.communicate(timeout=PATIENCE_SECONDS)[0]
    assert second.returncode == 130, output
    assert (run.processes(), run.status()) == ([], "interrupted")
    # The step that ran was finished and saved, although it took longer than Jupyter would have waited.
    assert time.monotonic() - began > JUPYTER_SECONDS / 2
    assert run.whole_checkpoints()[-1] == max(run.steps())

    third = run.start()
    output = third.communicate(timeout=PATIENCE_SECONDS)[0]
    assert third.returncode == 0, output
    assert run.steps() == list(range(1, STEPS + 1))


def test_a_second_interrupt_kills_all_ranks_at_once(run):
    command = run.start()
    run.wait_for_step(1)
    command.send_signal(signal.SIGINT)
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=60) == 130
    assert run.processes() == []


def test_a_request_to_terminate_is_an_interrupt(run):
    command = run.start()
    run.wait_for_step(1)
    command.terminate()
    assert "the same command goes on" in command.communicate(timeout=120)[0]
    assert (run.processes(), run.whole_checkpoints()[-1]) == ([], max(run.steps()))


def test_a_command_that_is_killed_leaves_ranks_that_save_and_end(run):
    command = run.start()
    run.wait_for_step(1)
    command.kill()
    command.wait()
    run.wait_until_gone()
    assert run.whole_checkpoints()[-1] == max(run.steps())


def test_a_launcher_that_is_killed_leaves_no_rank(run):
    command = run.start()
    run.wait_for_step(1)
    run.launchers()[0].kill()
    output = command.communicate(timeout=120)[0]
    assert (command.returncode, run.processes()) == (1, []), output


def test_a_rank_that_is_killed_is_named_with_its_signal(run):
    command = run.start()
    run.wait_for_step(1)
    run.ranks()[1].kill()
    output = command.communicate(timeout=120)[0]
    assert (command.returncode, run.processes(), run.status()) == (1, [], "failed")
    assert "was ended by signal 9 (SIGKILL" in output
    assert "lower `sft.trainer.per_device_train_batch_size` (now 8)" in output


def test_a_training_whose_loss_is_nan_fails_with_the_setting_to_change(run):
    run.settings = run.settings | {"sft.trainer.learning_rate": 1e30, "sft.trainer.warmup_steps": 0}
    command = run.start()
    output = command.communicate(timeout=120)[0]
    assert (command.returncode, run.status()) == (1, "failed"), output
    assert "NotFiniteError: the loss is nan" in output
    assert "lower `sft.trainer.learning_rate` (now 1e+30)" in output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one checkpoint."""
    with mount_small_disk(tmp_path / "disk", "12m") as folder:
        yield folder


def test_a_full_disk_is_named_and_the_training_goes_on_with_more_room(small_disk):
    run = make_run(small_disk / "run", NANO_SIZED)
    refused = run.start()
    assert "sft leave up to" in refused.communicate(timeout=120)[0]  # the plan knows it before
    assert refused.returncode == 2
    first = run.start("--unplanned", "--from", "sft", "--to", "sft")
    output = first.communicate(timeout=120)[0]
    assert (first.returncode, "no space is left" in output, "Traceback" in output) == (1, True, False), output
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    second = run.start()
    output = second.communicate(timeout=120)[0]
    assert second.returncode == 0, output
    assert run.steps() == list(range(1, STEPS + 1))

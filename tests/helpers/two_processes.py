"""The same trainings by one process and by two under DeepSpeed on the CPU, from the shipped accelerate files."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from fastmath.data import build
from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.load import find_accelerate_file, load_recipe
from fastmath.recipe.sections import NanoModelSettings
from fastmath.runs.stage import Stage
from fastmath.training import sft
from helpers.tiny_recipe import TINY

ROLLOUTS = Path(__file__).with_name("fixed_rollouts.py")
STEPS = 6
SFT = TINY | {
    "sft.first_epoch_run": False,
    "sft.trainer.max_steps": STEPS,
    "sft.trainer.logging_steps": 1,
    "sft.trainer.save_steps": 3,
    "sft.trainer.per_device_train_batch_size": 8,
}
CPU = {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Trained:
    """What a training has left.

    Attributes:
        model: folder of the model.
        losses: loss of every step.
        zero_stage: DeepSpeed's stage; 0 without it.
    """

    model: Path
    losses: list[float]
    zero_stage: int

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return load_file(self.model / "model.safetensors")


def read_steps(folder: Path) -> list[dict[str, Any]]:
    """The logged steps of a training."""
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if "loss" in row]


def fine_tune(run_dir: Path, zero_stage: int = 0) -> Trained:
    """SFT with batches of 8, by one process or by two with 4 each; it goes on where the folder has a checkpoint."""
    shared = {
        "sft.accelerate": f"zero{zero_stage}",
        "sft.launch": {"num_processes": 2, "mixed_precision": "no"},
        "sft.environment": CPU,
        "sft.trainer.per_device_train_batch_size": 4,
    }
    recipe = load_recipe("nano", SFT | (shared if zero_stage else {}))
    for name, work in (("build_data", build.run), ("sft", sft.run)):
        stage = Stage(name, recipe, run_dir)
        if not stage.is_current():
            with stage.running():
                work(stage)
    folder = run_dir / "sft"
    return Trained(folder / "model", [row["loss"] for row in read_steps(folder)], zero_stage)


def make_rollouts(folder: Path) -> None:
    """Make the model whose rollouts `train_on_rollouts` takes."""
    rows = list(generate_rows("train", NanoDataSettings(), 40))
    texts = [f"{row['problem']}\n{row['generations'][0]}" for row in rows]
    shape = NanoModelSettings(hidden_size=64, intermediate_size=128, layers=2, heads=2)
    make_base_model(folder / "model", shape, texts, seed=0)


def train_on_rollouts(folder: Path, zero_stage: int = 0) -> Trained:
    """GRPO on given rollouts, 16 completions a step, by one process or by two."""
    name = f"zero{zero_stage}" if zero_stage else "cpu"
    processes = 2 if zero_stage else 1
    options = ["--num_processes", str(processes), "--mixed_precision", "no"]
    command = ["accelerate.commands.launch", "--config_file", str(find_accelerate_file(name)), *options]
    finished = subprocess.run(
        [sys.executable, "-m", *command, str(ROLLOUTS), str(folder), name, str(processes)],
        env=os.environ | CPU | ({} if zero_stage else {"ACCELERATE_USE_CPU": "true"}),
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    told = json.loads((folder / f"{name}.json").read_text())
    return Trained(folder / name, told["losses"], told["zero_stage"])


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest difference of two weights of the same name."""
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)

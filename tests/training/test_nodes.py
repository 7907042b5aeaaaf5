"""A training on two nodes: the first runs the recipe, the second joins. Real processes, the shipped launch file."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.launches import read_launch
from fastmath.recipe.load import configs_folder, load_recipe
from fastmath.training.launch import build_command
from fastmath.training.trainers import check_trainers
from helpers.two_processes import CPU, SFT, read_steps


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def multi_node(port: int) -> dict[str, object]:
    return {
        "sft.accelerate": "multi_node",
        "sft.launch": {
            **{"num_processes": 2, "mixed_precision": "no"},
            **{"main_process_ip": "127.0.0.1", "main_process_port": port},
        },
    }


def test_several_nodes_need_the_address_of_the_first():
    recipe = load_recipe("nano", {"sft.accelerate": "multi_node"})
    with pytest.raises(SettingsError, match=r"2 nodes, and `launch.main_process_ip` of its section is not set"):
        check_trainers(recipe)


def test_nodes_share_the_processes_evenly():
    own = {"sft.launch": {"num_processes": 3, "main_process_ip": "a"}}
    with pytest.raises(SettingsError, match=r"3 training processes .* do not divide between 2 nodes"):
        read_launch(load_recipe("nano", {"sft.accelerate": "multi_node"} | own).sft)


def test_a_node_is_launched_under_its_own_number(tmp_path):
    settings = load_recipe("nano", multi_node(1234)).sft
    command = " ".join(build_command("module", settings, tmp_path, tmp_path / "sft", machine_rank=1))
    assert "--num_processes 2 --main_process_ip 127.0.0.1 --main_process_port 1234" in command
    assert "--machine_rank 1" in command


def test_the_cluster_script_is_valid_bash():
    script = configs_folder() / "slurm.sh"
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    # what it sets is what a recipe knows
    named = re.findall(r"(num_\w+|main_\w+): ", script.read_text())
    assert set(named) <= set(type(load_recipe("nano").sft.launch).model_fields)


@pytest.mark.slow
def test_two_nodes_have_the_losses_of_one(tuned_alone, tmp_path):
    own = SFT | multi_node(find_free_port()) | {"sft.trainer.per_device_train_batch_size": 4, "sft.environment": CPU}
    settings = [part for key, value in own.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = [sys.executable, "-m", "fastmath.cli.main"]
    run_dir = tmp_path / "run"
    joined = subprocess.Popen(
        [*command, "join", str(run_dir), "--rank", "1"], stderr=subprocess.PIPE, text=True, env=os.environ | CPU
    )
    run = [*command, "run", "nano", "--run-dir", str(run_dir), "--to", "sft", "--unplanned", *settings]
    finished = subprocess.run(run, capture_output=True, text=True, timeout=300)
    joined.send_signal(signal.SIGINT)
    told = joined.communicate(timeout=60)[1]
    assert finished.returncode == 0, finished.stdout + told
    assert "node 1 has done its part" in told
    assert [row["loss"] for row in read_steps(run_dir / "sft")] == pytest.approx(tuned_alone.losses, rel=1e-4)
    # Each node's rank has saved the random state of its own.
    saved = (run_dir / "sft" / "checkpoints").glob("checkpoint-6/rng_state_*.pth")
    assert sorted(path.name for path in saved) == ["rng_state_0.pth", "rng_state_1.pth"]
    assert (run_dir / "sft" / "train-node1.log").stat().st_size > 0

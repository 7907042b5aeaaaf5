"""The pinned packages of a GPU machine, as pip resolves them under the Pythons of servers and of Kaggle."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fastmath.recipe.load import REPOSITORY_FOLDER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def find_python(version: str) -> str:
    """An interpreter of this version, from the path or from pyenv; the test is skipped where there is none."""
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *map(str, installed)):
        if candidate and subprocess.run([candidate, "-V"], capture_output=True).returncode == 0:
            return candidate
    pytest.skip(f"there is no Python {version} on this machine")


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_the_packages_of_a_gpu_machine_fit_together(version, tmp_path):
    subprocess.run([find_python(version), "-m", "venv", str(tmp_path / "venv")], check=True)
    command = [str(tmp_path / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--dry-run"]
    command += ["--report", str(tmp_path / "report.json"), "-r", "requirements.txt"]
    result = subprocess.run(command, cwd=REPOSITORY_FOLDER, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    chosen = {
        item["metadata"]["name"].lower() for item in json.loads((tmp_path / "report.json").read_text())["install"]
    }
    assert {"torch", "vllm", "trl", "kernels", "fastmath"} <= chosen

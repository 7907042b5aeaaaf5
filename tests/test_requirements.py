"""The pinned packages of a GPU machine, as pip resolves them under the Pythons of servers and of Kaggle."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastmath.kaggle.metadata import PackageError
from fastmath.kaggle.packaging import KAGGLE_PYTHON
from fastmath.kaggle.wheels import WHEELS, download_command, find_interpreter, find_lists
from fastmath.recipe.load import REPOSITORY_FOLDER

PYTHONS = ("3.11", "3.12")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def find_python(version: str) -> str:
    """An interpreter of this version; the test is skipped where there is none."""
    try:
        return str(find_interpreter(version))
    except PackageError as error:
        pytest.skip(str(error))


def test_every_wheel_of_the_kernel_is_there_for_kaggle_s_python(tmp_path):
    lists = find_lists("gpu", KAGGLE_PYTHON, REPOSITORY_FOLDER)
    options = download_command(KAGGLE_PYTHON).partition(" && ")[0].split()[2:-4]  # what is between `download` and `-r`
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--target", str(tmp_path), *options]
    result = subprocess.run([*command, "-r", str(lists / WHEELS)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


def resolve(version, folder):
    """The finished command that lets pip choose all packages of a GPU machine, and where it has reported them."""
    subprocess.run([find_python(version), "-m", "venv", str(folder / "venv")], check=True)
    command = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--dry-run"]
    command += ["--report", str(folder / "report.json"), "-r", "requirements.txt"]
    return subprocess.run(command, cwd=REPOSITORY_FOLDER, capture_output=True, text=True), folder / "report.json"


@pytest.fixture(scope="module")
def resolutions(tmp_path_factory):
    """What pip chooses under each Python, side by side: it computes on one core alone."""
    with ThreadPoolExecutor() as pool:
        yield {version: pool.submit(resolve, version, tmp_path_factory.mktemp(version)) for version in PYTHONS}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_packages_of_a_gpu_machine_fit_together(version, resolutions):
    result, report = resolutions[version].result()
    assert result.returncode == 0, result.stderr[-2000:]
    chosen = {item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]}
    assert {"torch", "vllm", "trl", "kernels", "fastmath"} <= chosen

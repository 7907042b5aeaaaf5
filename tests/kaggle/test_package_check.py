"""The check of a built package: what it refuses, and the whole of it in an environment of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
import torch

from fastmath.contest.serving import load_served
from fastmath.kaggle import package_check
from fastmath.kaggle.metadata import PackageError
from fastmath.kaggle.package_check import check_package, write_held_out
from fastmath.kaggle.packaging import PackageOptions, build_package
from fastmath.kaggle.wheels import download_wheels
from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.runs.stage import MissingStageError

OFFLINE = Path(package_check.__file__).parent / "offline"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OWNED = PackageOptions(machine="gpu" if torch.cuda.is_available() else "cpu", python=HERE, owner="jane-doe")


def run_watched(code: str, log: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(OFFLINE), "FASTMATH_WATCHED": "colorsys,chunk", "FASTMATH_WATCH_LOG": str(log)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_a_watched_import_is_written_down_also_where_a_child_makes_it(tmp_path):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import colorsys'], check=True)"
    run_watched(code, tmp_path / "log")
    assert (tmp_path / "log").read_text().split() == ["colorsys"]


def test_other_imports_are_not_written_down(tmp_path):
    run_watched("import json.decoder", tmp_path / "log")
    assert not (tmp_path / "log").exists()


# The event that precedes every connection, without one.
CONNECT = "import sys; sys.audit('socket.connect', None, ({!r}, 443))"


def test_a_connection_to_another_machine_is_refused(tmp_path):
    assert "no network here: pypi.example" in run_watched(CONNECT.format("pypi.example"), tmp_path / "log").stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_connection_within_the_machine_is_not(host, tmp_path):
    assert run_watched(CONNECT.format(host), tmp_path / "log").returncode == 0


def test_missing_wheels_are_counted_and_the_download_command_given(tiny_run, tmp_path):
    build_package(tmp_path / "package", OWNED, REPOSITORY_FOLDER)
    _, model = load_served(tiny_run[0], {})
    questions = write_held_out(tiny_run[0], tmp_path / "test.csv")
    with pytest.raises(PackageError, match=r"lacks (\d+) of \1 wheels.*pip download --no-deps"):
        list(check_package(tmp_path / "package", tmp_path, model, questions, {}))


def test_questions_are_the_run_s_first_held_out_problems(tiny_run, tmp_path):
    rows = pl.read_csv(write_held_out(tiny_run[0], tmp_path / "test.csv", count=2))
    assert (rows.height, rows.columns) == (2, ["id", "problem"])


def test_a_run_without_held_out_problems_asks_for_a_csv(tmp_path):
    with pytest.raises(MissingStageError, match="--csv"):
        write_held_out(tmp_path, tmp_path / "test.csv")


@pytest.mark.slow
def test_the_built_notebook_runs_with_neither_index_nor_network_beside_older_packages(tiny_run):
    """From wheels that the documented command downloads: a gigabyte, and four more while it is installed."""
    with tempfile.TemporaryDirectory() as temporary:
        package = Path(temporary) / "package"
        recipe, model = load_served(tiny_run[0], {"kernel.limit_seconds": 300.0})
        build_package(package, OWNED, REPOSITORY_FOLDER, recipe=recipe)
        download_wheels(package / "dataset")
        questions = write_held_out(tiny_run[0], package / "questions.csv")
        findings = list(check_package(package, package / "dataset", model, questions, {}))
    assert [finding for finding in findings if not finding.holds] == []
    names = [
        "metadata",
        "wheels",
        "network",
        "fresh environment",
        "notebook",
        "imports",
        "image",
        "votes",
        "submission",
    ]
    assert [finding.name for finding in findings] == names

"""The kernel's server in one process and the gateway in another, with a package of the competition's shape."""

from pathlib import Path

import polars as pl
import psutil
import pytest

from fastmath.contest.gateway import SUBMISSION
from fastmath.contest.questions import GatewayError
from fastmath.contest.serving import load_served
from fastmath.contest.two_processes import answer_in_two_processes
from fastmath.kernel.submission import SUBMISSION_SCHEMA
from helpers.competition import write_competition

QUESTIONS = "id,problem\n000a1,What is 1+1?\n057,What is 2+2?\n"


@pytest.fixture
def competition(tmp_path: Path, forget_competition: None) -> Path:
    (tmp_path / "test.csv").write_text(QUESTIONS)
    return write_competition(tmp_path / "competition")


def answer(run_dir: Path, competition: Path) -> dict:
    recipe, model = load_served(run_dir, {"kernel.limit_seconds": 120.0})
    folder = competition.parent
    return answer_in_two_processes(recipe, model, folder / "test.csv", folder / "out", competition)


@pytest.mark.slow
def test_a_csv_is_answered_across_two_processes_that_end(tiny_run, competition):
    report = answer(tiny_run[0], competition)
    submission = pl.read_parquet(competition.parent / "out" / SUBMISSION)
    assert (report["questions"], report["answered"]) == (2, 2)
    assert dict(submission.schema) == SUBMISSION_SCHEMA
    folder = str(competition.parent / "out")
    assert not [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == folder]


def test_a_server_that_ends_is_no_wait_for_ever(tiny_run, competition):
    (competition / "kaggle_evaluation" / "broken").touch()
    with pytest.raises(GatewayError, match=r"(?s)the server ended with 1: .*the server is broken"):
        answer(tiny_run[0], competition)

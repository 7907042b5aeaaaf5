"""The kernel's server in one process and the gateway in another, with a package of the competition's shape."""

from pathlib import Path

import polars as pl
import psutil
import pytest

from fastmath.contest.gateway import SUBMISSION, GatewayError
from fastmath.contest.serving import load_served
from fastmath.contest.two_processes import answer_in_two_processes
from fastmath.kernel.submission import SUBMISSION_SCHEMA

QUESTIONS = "id,problem\n000a1,What is 1+1?\n057,What is 2+2?\n"

# The two speak over a socket in the package's folder, and each checks that it is told what it is.
SERVER = """
import os
from multiprocessing.connection import Listener
from pathlib import Path

class AIMO2InferenceServer:
    def __init__(self, predict):
        self.predict = predict

    def serve(self):
        assert "KAGGLE_IS_COMPETITION_RERUN" in os.environ
        if Path(__file__).with_name("broken").exists():
            raise RuntimeError("the server is broken")
        with Listener(str(Path(__file__).with_name("socket"))) as listener, listener.accept() as connection:
            while True:
                connection.send(self.predict(*connection.recv()))
"""
GATEWAY = """
import os
import time
from multiprocessing.connection import Client
from pathlib import Path
import polars

class AIMO2Gateway:
    def __init__(self, paths):
        self.path = paths[0]

    def run(self):
        assert "KAGGLE_IS_COMPETITION_RERUN" not in os.environ
        path = Path(__file__).with_name("socket")
        while not path.exists():
            time.sleep(0.1)
        answers = []
        with Client(str(path)) as connection:
            for row in polars.read_csv(self.path).iter_slices(1):
                connection.send(list(row))
                answers.append(connection.recv())
        polars.concat(answers).write_parquet("submission.parquet")
"""
BASE = "class GatewayRuntimeError(Exception):\n    pass\n"


@pytest.fixture
def competition(tmp_path: Path, forget_competition: None) -> Path:
    package = tmp_path / "competition" / "kaggle_evaluation"
    (package / "core").mkdir(parents=True)
    (package / "aimo_2_inference_server.py").write_text(SERVER)
    (package / "aimo_2_gateway.py").write_text(GATEWAY)
    (package / "core" / "base_gateway.py").write_text(BASE)
    for empty in ("__init__.py", "core/__init__.py", "core/relay.py"):
        (package / empty).write_text("")
    (tmp_path / "test.csv").write_text(QUESTIONS)
    return package.parent


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

"""vLLM's real engine, really killed and really stopped in the middle of its tokens."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest

from fastmath.answers.contests import CONTESTS
from fastmath.contest.gateway import LocalGateway
from fastmath.engine.loading import LoadRules
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import AsyncEngine, Sampling
from fastmath.kernel.journal import Journal, read_records
from fastmath.kernel.kernel import Kernel
from fastmath.kernel.solver import SolverRules
from fastmath.nano.model import make_base_model
from fastmath.policies.clock import ClockRules
from fastmath.recipe.inference import EngineSettings
from fastmath.recipe.sections import NanoModelSettings
from helpers.fixed_policy import FixedPolicy
from helpers.struck_engine import Striker

pytestmark = pytest.mark.slow

SETTINGS = EngineSettings(
    arguments={"dtype": "float32", "max_model_len": 1024, "enforce_eager": True, "distributed_executor_backend": "uni"},
    environment={"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    # A random model, which hardly ever ends by itself: every question is in the middle of its tokens when it is hit.
    shape = NanoModelSettings(hidden_size=64, intermediate_size=64, layers=1, heads=2, vocabulary_size=320)
    make_base_model(tmp_path / "model", shape, ["What is 3+4? So \\boxed{7}."], seed=0)
    kernel = Kernel(
        keeper=EngineKeeper(lambda _, processes: AsyncEngine(tmp_path / "model", SETTINGS, processes=processes)),
        profile=CONTESTS["aimo2"],
        system_prompt=None,
        sampling=Sampling(900, 1.0, 1.0),
        rules=SolverRules(fallback_answer=5),
        policy=FixedPolicy(),
        clock=ClockRules(600.0, 10),
        journal=Journal(tmp_path / "questions.jsonl", {}),
        hang_seconds=3.0,
    )
    yield kernel
    kernel.keeper.close()


def test_a_load_that_hangs_is_killed_and_tried_again(kernel: Kernel) -> None:
    # A stopped process is what a load on a network disk that does not answer looks like from outside.
    kernel.keeper._rules = LoadRules(first_seconds=60.0)
    kernel.hang_seconds = 60.0
    stopped: list[psutil.Process] = []

    def stop_the_first_load() -> None:
        while not stopped:
            time.sleep(0.05)
            for child in kernel.keeper._load.processes.find() if kernel.keeper._load else []:
                child.suspend()
                stopped.append(child)

    threading.Thread(target=stop_the_first_load, daemon=True).start()
    assert kernel.predict("q0", "What is 3+4?").height == 1
    assert not any(child.is_running() for child in stopped)
    record = read_records(kernel.journal.path)[-1]
    assert record["engine_starts"] == 2
    assert "the engine has not loaded within 6" in record["error"]
    assert record["tokens"] > 0


def strike(kernel: Kernel, number: signal.Signals) -> None:
    """Send a signal to the engine's processes while a question is being worked on."""

    def work() -> None:
        time.sleep(0.05)
        for process in kernel.keeper.wait(60)._processes:
            os.kill(process.pid, number)

    threading.Thread(target=work, daemon=True).start()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_engine_that_is_struck_down_is_replaced_within_the_question(kernel: Kernel, number: signal.Signals) -> None:
    kernel.predict("q0", "What is 3+4?")
    first = kernel.keeper.wait(60)
    strike(kernel, number)
    answer = kernel.predict("q1", "What is 3+4?")
    assert answer.schema == {"id": pl.String, "answer": pl.Int64}
    record = read_records(kernel.journal.path)[-1]
    assert record["error"].startswith("EngineLostError")
    assert record["tokens"] > 0
    assert kernel.keeper.wait(60) is not first
    assert kernel.predict("q2", "What is 3+4?").height == 1
    assert read_records(kernel.journal.path)[-1]["error"] is None


def test_a_contest_whose_engine_is_struck_at_random_moments_is_answered_whole(kernel: Kernel, tmp_path: Path) -> None:
    ids = [f"q{index}" for index in range(10)]
    pl.DataFrame({"id": ids, "problem": ["What is 3+4?"] * 10}).write_csv(tmp_path / "test.csv")
    kernel.predict("warm-up", "What is 3+4?")
    with Striker(kernel.keeper, random.Random(0), strikes=2, most_seconds=1.0) as striker:
        submission = LocalGateway(kernel.predict, seed=0).run(tmp_path / "test.csv", tmp_path)
    assert striker.struck
    assert dict(submission.schema) == {"id": pl.String, "answer": pl.Int64}
    assert sorted(submission["id"]) == sorted(ids)
    for record in read_records(kernel.journal.path):
        late = record["elapsed_seconds"] - record["started_seconds"] - record["deadline_seconds"]
        assert late < 1.0


def test_a_question_longer_than_the_context_is_asked_in_what_fits(kernel: Kernel) -> None:
    kernel.hang_seconds = 60.0  # a prompt of the whole context has its first token late where others use the cores
    kernel.predict("long", "3+4 " * 12_500)
    record = read_records(kernel.journal.path)[-1]
    assert record["error"] is None
    assert record["tokens"] > 0

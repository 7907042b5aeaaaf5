"""While an engine is replaced the question's clock goes on, and what it costs is no measure of the contest."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from fastmath.engine.loading import LoadProcesses
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import Chunk
from fastmath.kernel.kernel import Kernel
from fastmath.policies.plan import History
from helpers.scripted_engine import ScriptedEngine, boxed
from helpers.scripted_kernel import make_kernel, read_record


class DyingEngine(ScriptedEngine):
    """Gives one vote and dies, with its other samples."""

    async def stream(self, request_id: str, *arguments: Any) -> AsyncGenerator[Chunk, None]:
        if request_id.endswith("-0"):
            async for chunk in super().stream(request_id, *arguments):
                yield chunk
            self.is_alive = False
        while self.is_alive:
            yield Chunk((1,), None)
            await asyncio.sleep(0.01)
        if not request_id.endswith("-0"):
            raise RuntimeError("EngineDeadError")


def kernel_whose_second_engine_never_comes(folder: Path, **rules: float) -> Kernel:
    engines = iter([DyingEngine([boxed(7)])])

    def start(_: float, __: LoadProcesses) -> ScriptedEngine:
        engine = next(engines, None)
        while engine is None:
            time.sleep(60)
        return engine

    kernel = make_kernel(folder, **rules)
    kernel.keeper = EngineKeeper(start)
    return kernel


def test_patience_that_lapses_while_an_engine_is_replaced_answers(tmp_path: Path) -> None:
    # Shares of 2 s and deadlines of 4 s. One vote has 0.75, which is enough from 2 * 2 * (1 - 0.75) = 1 s.
    kernel = kernel_whose_second_engine_never_comes(tmp_path, seconds=8.0, questions=4)
    kernel.predict("a", "What is 3+4?")
    record = read_record(tmp_path)
    assert (record["answer"], record["reason"]) == (7, "clock")
    assert record["elapsed_seconds"] - record["started_seconds"] == pytest.approx(1.0, abs=0.5)


def test_an_outage_is_no_part_of_the_contests_pace(tmp_path: Path) -> None:
    kernel = kernel_whose_second_engine_never_comes(tmp_path, seconds=4.0, questions=4)
    kernel.predict("a", "What is 3+4?")
    assert kernel._history == History()


def test_a_question_that_waited_for_an_engine_is_no_part_of_it_either(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7), seconds=20.0)
    kernel.predict("a", "What is 3+4?")
    assert kernel._history.first_votes == 1
    ready = threading.Event()
    kernel.keeper = EngineKeeper(lambda *_: ready.wait(10) and ScriptedEngine([boxed(7)]))
    threading.Timer(0.3, ready.set).start()
    kernel.predict("b", "What is 1+2?")
    assert read_record(tmp_path)["votes"] == [7, 7]
    assert kernel._history.first_votes == 1


def test_a_question_that_is_due_is_answered_beside_a_stuck_event_loop_and_its_engine_replaced(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7), boxed(7, 60.0), seconds=8.0, questions=4)
    first = kernel.keeper.wait(None)
    stuck, free = threading.Event(), threading.Event()
    first._loop.call_soon_threadsafe(lambda: first._loop.call_later(0.5, lambda: (stuck.set(), free.wait(30))))
    kernel.predict("a", "What is 3+4?")
    record = read_record(tmp_path)
    # As above, due after 1 s; the event loop is waited for half a second more.
    assert (stuck.is_set(), record["answer"]) == (True, 7)
    assert record["elapsed_seconds"] - record["started_seconds"] < 1.0 + 1.0
    kernel.keeper._start = lambda *_: ScriptedEngine([boxed(3)])
    assert kernel.predict("b", "What is 1+2?").item(0, "answer") == 3
    free.set()


class NoPolicy:
    def plan(self, *_: Any) -> None:
        raise ZeroDivisionError


def test_a_policy_that_raises_costs_no_vote(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7), seconds=20.0)
    kernel.policy = NoPolicy()
    kernel.samples = 4
    kernel.predict("a", "What is 3+4?")
    record = read_record(tmp_path)
    # Two of four decide where 7 is given first: the others can at most make it a tie.
    assert (record["answer"], record["samples"], record["error"]) == (7, 4, "ZeroDivisionError: ")
    assert record["reason"] == "cannot be overtaken"


def test_a_call_ends_within_nine_tenths_of_what_the_gateway_allows(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7, 60.0), seconds=1000.0, questions=2)
    kernel.clock = type(kernel.clock)(1000.0, 2, call_seconds=1.0)
    kernel.predict("a", "What is 3+4?")
    began = time.monotonic()
    kernel.predict("b", "What is 1+2?")
    assert time.monotonic() - began < 0.9 + 0.75
    assert read_record(tmp_path)["deadline_seconds"] == pytest.approx(0.9)

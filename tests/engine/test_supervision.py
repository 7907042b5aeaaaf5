"""Engines that are lost are replaced, and nobody waits longer for one than there is time."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastmath.engine.errors import describe_error, name_error
from fastmath.engine.loading import LoadEndedError, LoadProcesses, LoadRules
from fastmath.engine.supervision import EngineKeeper, EngineLostError, run_bounded
from helpers.fake_time import FakeTime
from helpers.scripted_engine import Sample, ScriptedEngine, boxed
from helpers.scripted_kernel import ask, make_kernel, read_record

SLOW = Sample("thinking", seconds=60.0)


@pytest.fixture(autouse=True)
def released() -> Iterator[threading.Event]:
    """Set at the test's end, when no load of it goes on: a load's end kills what this process has started since."""
    event, before = threading.Event(), set(threading.enumerate())
    yield event
    event.set()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "bounded":
            thread.join(10)


def test_an_engine_is_started_once() -> None:
    keeper = EngineKeeper(lambda *_: ScriptedEngine([boxed(7)]))
    assert keeper.wait(10) is keeper.wait(10)


def test_a_start_that_fails_is_tried_again_by_the_next_question() -> None:
    engines = iter([MemoryError(), ScriptedEngine([boxed(7)])])

    def start(*_: object) -> ScriptedEngine:
        engine = next(engines)
        if isinstance(engine, BaseException):
            raise engine
        return engine

    keeper = EngineKeeper(start)
    with pytest.raises(MemoryError):
        keeper.wait(10)
    assert keeper.wait(10).is_alive


def test_a_start_that_takes_too_long_is_waited_for_later() -> None:
    ready = threading.Event()

    def start(*_: object) -> ScriptedEngine:
        ready.wait(10)
        return ScriptedEngine([boxed(7)])

    keeper = EngineKeeper(start)
    with pytest.raises(TimeoutError):
        keeper.wait(0.05)
    ready.set()
    assert keeper.wait(10).is_alive


@pytest.mark.parametrize(
    ("error", "scale"),
    [(RuntimeError("CUDA out of memory"), 0.5), (MemoryError(), 0.5), (RuntimeError("EngineDeadError"), 1.0)],
)
def test_an_engine_lost_for_memory_comes_back_with_a_smaller_batch(error: Exception, scale: float) -> None:
    asked: list[float] = []

    def start(share: float, *_: object) -> ScriptedEngine:
        asked.append(share)
        return ScriptedEngine([boxed(7)])

    keeper = EngineKeeper(start)
    first = keeper.wait(10)
    keeper.replace(error)
    assert keeper.wait(10) is not first
    assert first.killed
    assert asked == [1.0, scale]


def test_a_second_loss_within_a_question_is_taken_for_the_memorys(tmp_path: Path) -> None:
    asked: list[float] = []

    def start(share: float, *_: object) -> ScriptedEngine:
        asked.append(share)
        return ScriptedEngine([Sample(error=RuntimeError("EngineDeadError"))], is_alive=False)

    kernel = make_kernel(tmp_path)
    kernel.keeper = EngineKeeper(start)
    ask(kernel)
    # The first is replaced by one of its size, for vLLM does not say of what its process died.
    assert asked[:3] == [1.0, 1.0, 0.5]


def test_a_start_that_fails_counts_as_an_engine_lost() -> None:
    def fail(*_: object) -> ScriptedEngine:
        raise SystemExit(1)

    with pytest.raises(EngineLostError, match="the engine did not start: SystemExit: 1"):
        EngineKeeper(fail).require(10)


def hanging_start(
    released: threading.Event, *engines: ScriptedEngine | None
) -> tuple[list[float], Callable[..., ScriptedEngine]]:
    """A start that hangs to the test's end where the next engine is None, and the scales that it was asked for."""
    asked: list[float] = []
    following = iter(engines)

    def start(scale: float, *_: object) -> ScriptedEngine:
        asked.append(scale)
        engine = next(following)
        if engine is None:
            released.wait(60)
            return ScriptedEngine([])
        return engine

    return asked, start


def test_a_load_within_its_time_is_kept(released: threading.Event) -> None:
    asked, start = hanging_start(released, None)
    keeper = EngineKeeper(start)
    with pytest.raises(TimeoutError):
        keeper.wait(0.05)
    keeper.replace(TimeoutError())
    with pytest.raises(TimeoutError):
        keeper.require(0.05)
    assert asked == [1.0]


@pytest.mark.parametrize("wait", [EngineKeeper.require, EngineKeeper.wait])
def test_a_load_past_its_time_is_killed_and_replaced_by_one_of_its_size(
    wait: Callable[[EngineKeeper, float], ScriptedEngine], released: threading.Event
) -> None:
    engine = ScriptedEngine([boxed(7)])
    children: list[subprocess.Popen[bytes]] = []
    asked, hang = hanging_start(released, None, engine)

    def start(scale: float, *_: object) -> ScriptedEngine:
        if not asked:
            children.append(subprocess.Popen(["sleep", "600"]))
        return hang(scale)

    keeper = EngineKeeper(start, rules=LoadRules(first_seconds=0.3, ending_seconds=0.1))
    if wait is EngineKeeper.require:
        with pytest.raises(EngineLostError, match="has not loaded within 0 s"):
            keeper.require(10)
    assert wait(keeper, 10) is engine
    assert children[0].poll() is not None
    assert (asked, keeper.starts) == ([1.0, 1.0], 2)


def test_replacing_ends_a_load_past_its_time(released: threading.Event) -> None:
    _, start = hanging_start(released, None, ScriptedEngine([boxed(7)]))
    keeper = EngineKeeper(start, rules=LoadRules(first_seconds=0.1, ending_seconds=0.01))
    with pytest.raises(TimeoutError):
        keeper.wait(0.01)
    time.sleep(0.2)
    keeper.replace(TimeoutError())
    assert keeper.starts == 2


def test_loads_that_hang_one_after_the_other_are_not_waited_for_for_ever(released: threading.Event) -> None:
    _, start = hanging_start(released, *[None] * 10)
    with pytest.raises(EngineLostError, match="has not loaded"):
        EngineKeeper(start, rules=LoadRules(first_seconds=0.05, ending_seconds=0.01)).wait(None)


def test_an_engine_whose_load_was_given_up_is_closed_when_it_comes_up() -> None:
    late, second, ready = ScriptedEngine([boxed(3)]), ScriptedEngine([boxed(7)]), threading.Event()
    engines = iter([late, second])

    def start(*_: object) -> ScriptedEngine:
        engine = next(engines)
        if engine is late:
            ready.wait(30)
        return engine

    keeper = EngineKeeper(start, rules=LoadRules(first_seconds=0.1, ending_seconds=0.01))
    assert keeper.wait(20) is second
    ready.set()
    for _ in range(1000):
        if late.killed:
            break
        time.sleep(0.01)
    assert late.killed
    assert not second.killed


def test_a_later_load_has_three_times_the_first_ones_time() -> None:
    rules = LoadRules(first_seconds=100.0, factor=3.0, least_seconds=0.0, ending_seconds=0.01)
    world = FakeTime()
    engines = iter([10.0, 1000.0, 1.0])

    def start(*_: object) -> ScriptedEngine:
        world.sleep(next(engines))
        return ScriptedEngine([boxed(7)])

    keeper = EngineKeeper(start, world, rules)
    keeper.wait(None)
    keeper.replace(RuntimeError("EngineDeadError"))
    with pytest.raises(EngineLostError, match="within 30 s"):  # 3 * 10
        keeper.require(500.0)
    world.stop()


def test_a_start_that_fails_leaves_no_process() -> None:
    children: list[subprocess.Popen[bytes]] = []

    def fail(*_: object) -> ScriptedEngine:
        children.append(subprocess.Popen(["sleep", "600"]))
        raise RuntimeError("no NCCL")

    with pytest.raises(EngineLostError):
        EngineKeeper(fail).require(10)
    assert children[0].poll() is not None


def test_closing_ends_a_load_that_is_under_way(released: threading.Event) -> None:
    started: list[LoadProcesses] = []

    def start(_: float, processes: LoadProcesses) -> ScriptedEngine:
        started.append(processes)
        released.wait(60)
        return ScriptedEngine([])

    keeper = EngineKeeper(start)
    with pytest.raises(TimeoutError):
        keeper.wait(0.1)
    keeper.close()
    with pytest.raises(LoadEndedError):
        started[0].require_wanted()


def test_no_engine_is_made_smaller_than_an_eighth(tmp_path: Path) -> None:
    keeper = EngineKeeper(lambda *_: ScriptedEngine([boxed(7)]))
    for _ in range(10):
        keeper.wait(10)
        keeper.replace(MemoryError())
    assert keeper.scale == 1 / 8


def test_a_load_that_takes_too_long_is_not_the_first_questions_own_time(
    tmp_path: Path, released: threading.Event
) -> None:
    # Half of the contest of 1 s is waited for, then a share of what is left.
    kernel = make_kernel(tmp_path, seconds=1.0, questions=4)
    kernel.keeper = EngineKeeper(lambda *_: released.wait(30) and ScriptedEngine([]))
    ask(kernel)
    record = read_record(tmp_path)
    assert record["started_seconds"] == pytest.approx(0.5, abs=0.1)
    assert record["elapsed_seconds"] - record["started_seconds"] - record["deadline_seconds"] < 0.1


def test_a_long_error_loses_its_middle() -> None:
    text = describe_error(RuntimeError("a" * 5000 + "π" * 5000 + "z"))
    assert len(text.encode()) <= 6000
    assert text.rstrip().endswith("z")


def test_an_error_that_cannot_say_what_it_is_is_described() -> None:
    class MuteError(RuntimeError):
        def __str__(self) -> str:
            raise SystemExit

    assert "MuteError" in describe_error(MuteError())
    assert name_error(MuteError()) == "MuteError, whose text raised SystemExit"


def test_what_hangs_is_left_behind_in_time(released: threading.Event) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run_bounded(lambda: released.wait(30), 0.1)
    assert time.monotonic() - began < 5


def test_a_dead_engine_is_replaced_within_the_question(tmp_path: Path) -> None:
    dead = ScriptedEngine([Sample(error=RuntimeError("EngineDeadError"))], is_alive=False)
    engines = iter([dead, ScriptedEngine([boxed(7)])])
    kernel = make_kernel(tmp_path)
    kernel.keeper = EngineKeeper(lambda *_: next(engines))
    assert ask(kernel).item(0, "answer") == 7
    assert read_record(tmp_path)["error"].startswith("EngineLostError: RuntimeError: EngineDeadError")


def test_an_engine_without_a_token_for_too_long_is_replaced(tmp_path: Path) -> None:
    engines = iter([ScriptedEngine([SLOW]), ScriptedEngine([boxed(7)])])
    kernel = make_kernel(tmp_path)
    kernel.hang_seconds = 0.2
    kernel.keeper = EngineKeeper(lambda *_: next(engines))
    assert ask(kernel).item(0, "answer") == 7
    assert "no live sample has got a token" in read_record(tmp_path)["error"]


def test_votes_of_a_lost_engine_count(tmp_path: Path) -> None:
    # 3 was said before the first engine hung; the second says 7 three times, and 3 to 1 decide at 0.85.
    first = ScriptedEngine([boxed(3), SLOW])
    engines = iter([first, ScriptedEngine([boxed(7)])])
    kernel = make_kernel(tmp_path)
    kernel.hang_seconds = 0.2
    kernel.keeper = EngineKeeper(lambda *_: next(engines))
    assert ask(kernel).item(0, "answer") == 7
    assert read_record(tmp_path)["votes"][0] == 3


def test_three_lost_engines_end_the_question_with_the_vote_so_far(tmp_path: Path) -> None:
    started: list[float] = []

    def start(scale: float, *_: object) -> ScriptedEngine:
        started.append(scale)
        return ScriptedEngine([boxed(3), SLOW] if len(started) == 1 else [SLOW])

    kernel = make_kernel(tmp_path)
    kernel.hang_seconds = 0.1
    kernel.keeper = EngineKeeper(start)
    assert ask(kernel).item(0, "answer") == 3
    assert len(started) >= 3

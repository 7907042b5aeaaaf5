"""Virtual time: it passes only while all wait, and threads and event loops keep the order that real ones have."""

import asyncio
import threading

import pytest

from fastmath.engine.supervision import run_bounded
from helpers.fake_time import FakeTime, run_loop


@pytest.fixture
def world() -> FakeTime:
    world = FakeTime()
    yield world
    world.stop()


def test_a_wait_takes_as_long_as_its_work_sleeps(world: FakeTime) -> None:
    assert run_bounded(lambda: world.sleep(3600) or 7, 4000, world) == 7
    assert world.now() == 3600


def test_a_bounded_wait_ends_at_its_bound(world: FakeTime) -> None:
    with pytest.raises(TimeoutError):
        run_bounded(lambda: world.sleep(3600), 60, world)
    assert world.now() == 60


def test_threads_wake_in_the_order_of_their_times(world: FakeTime) -> None:
    woken: list[int] = []

    def sleep(seconds: int) -> None:
        world.sleep(seconds)
        woken.append(seconds)

    for future in [world.start(lambda seconds=seconds: sleep(seconds)) for seconds in (3, 1, 2)]:
        world.wait(future, None)
    assert woken == [1, 2, 3]


def test_an_event_loop_sleeps_in_virtual_time(world: FakeTime) -> None:
    loop = world.new_event_loop()
    world.start(lambda: run_loop(loop))
    world.wait(asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), loop), None)
    assert world.now() == pytest.approx(3600, abs=0.001)


def test_a_loop_that_is_blocked_does_not_hold_who_waits_for_it(world: FakeTime) -> None:
    async def block() -> None:
        world.sleep(3600)

    loop = world.new_event_loop()
    world.start(lambda: run_loop(loop))
    with pytest.raises(TimeoutError):
        world.wait(asyncio.run_coroutine_threadsafe(block(), loop), 5)
    assert world.now() == pytest.approx(5, abs=0.001)


def test_a_jump_lets_everything_be_due(world: FakeTime) -> None:
    sleeper = world.start(lambda: world.sleep(10))
    world.sleep(1)
    world.jump(100)
    world.wait(sleeper, 0.5)
    assert world.now() == 101
    assert world.jumped_since(50) == 51


def test_what_waits_for_ever_ends_with_the_world(world: FakeTime) -> None:
    ended = threading.Event()

    def wait() -> None:
        try:
            world.sleep(1e9)
        finally:
            ended.set()

    world.start(wait)
    world.sleep(1)
    world.stop()
    assert ended.wait(10)

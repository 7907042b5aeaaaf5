"""Virtual time for real threads and real event loops: hours of a contest in seconds, the same every time.

All threads of a `FakeTime` take turns: one runs, the others wait for it to wait. When all wait, the clock jumps to the
next moment for which one of them waits. The kernel, its driver, its threads and asyncio's event loop are the real ones.
"""

import asyncio
import contextlib
import heapq
import itertools
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from fastmath.engine.supervision import Time

Result = TypeVar("Result")


class Stopped(BaseException):
    """Ends what still waits when the contest is over."""


class FakeTime(Time):
    """Where nothing takes any time but waiting.

    `jumps` holds from when to when the clock has jumped.
    """

    def __init__(self) -> None:
        self.jumps: list[tuple[float, float]] = []
        self._now = 0.0
        self._ready: deque[_Turn] = deque()
        self._timers: list[tuple[float, int, _Turn, int]] = []
        self._numbers = itertools.count()
        self._local = threading.local()
        self._parked: set[_Turn] = set()
        self._stopped = False

    def now(self) -> float:
        return self._now

    def start(self, work: Callable[[], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        turn = _Turn()
        self._ready.append(turn)
        self._parked.add(turn)
        threading.Thread(target=self._run, args=(turn, work, future), name="bounded", daemon=True).start()
        return future

    def wait(self, future: Future[Result], timeout: float | None) -> Result:
        turn = self._turn()
        deadline = None if timeout is None else self._now + timeout
        future.add_done_callback(lambda _: self._wake(turn))
        while not future.done():
            if deadline is not None and self._now >= deadline:
                raise TimeoutError
            self._park(turn, deadline)
        return future.result()

    def sleep(self, seconds: float) -> None:
        """Block this thread, whatever it is."""
        turn, end = self._turn(), self._now + seconds
        while self._now < end:
            self._park(turn, end)

    def jump(self, seconds: float) -> None:
        """Let the clock jump, as when the whole machine stood still."""
        self.jumps.append((self._now, self._now + seconds))
        self._now += seconds

    def pass_turn(self) -> None:
        """A turn of an event loop takes next to nothing, but more than the rounding errors of its clock."""
        self._now += 1e-6

    def jumped_since(self, moment: float) -> float:
        """Seconds behind `moment` over which the clock has jumped."""
        return sum(max(end - max(begin, moment), 0.0) for begin, end in self.jumps)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _FakeLoop(self)

    def stop(self) -> None:
        """End all threads that still wait."""
        self._stopped = True
        for turn in list(self._parked):
            turn.lock.release()

    def _run(self, turn: "_Turn", work: Callable[[], Result], future: Future[Result]) -> None:
        self._local.turn = turn
        try:
            turn.lock.acquire()
            self._parked.discard(turn)
            self._check()
            result = work()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - handed over to the one who waits, as real time does
            future.set_exception(error)
        else:
            with contextlib.suppress(Stopped):  # what is called back may wait
                future.set_result(result)
        if not self._stopped:
            self._next().lock.release()

    def _turn(self) -> "_Turn":
        # A thread that was started elsewhere, as the gateway's, is the one that runs.
        if not hasattr(self._local, "turn"):
            self._local.turn = _Turn()
        return self._local.turn

    def _park(self, turn: "_Turn", until: float | None) -> None:
        """Let others run until this thread is woken, or the time has come."""
        self._check()
        turn.round += 1
        self._parked.add(turn)
        if until is not None:
            heapq.heappush(self._timers, (until, next(self._numbers), turn, turn.round))
        following = self._next()
        if following is not turn:
            following.lock.release()
            turn.lock.acquire()
        turn.round += 1  # its timer, if it was woken by something else, is void
        self._parked.discard(turn)
        self._check()

    def _next(self) -> "_Turn":
        if self._ready:
            return self._ready.popleft()
        while self._timers:
            until, _, turn, round_ = heapq.heappop(self._timers)
            if turn.round == round_:
                self._now = max(self._now, until)
                turn.round += 1
                return turn
        raise RuntimeError("every thread waits, and none for a time: a deadlock")

    def _wake(self, turn: "_Turn") -> None:
        if turn in self._parked and turn not in self._ready:
            turn.round += 1
            self._ready.append(turn)

    def _check(self) -> None:
        if self._stopped:
            raise Stopped


class _Turn:
    """A thread's turn: it runs when its lock is released; `round` counts its waits."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        self.round = 0


class _FakeSelector(selectors.BaseSelector):
    """Waits in virtual time, and for nothing but other threads of it."""

    def __init__(self, world: FakeTime) -> None:
        self._world = world
        self._turn: _Turn | None = None
        self._woken = False

    def register(self, fileobj: object, events: int, data: object = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: object) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> dict[object, selectors.SelectorKey]:
        return {}

    def get_key(self, fileobj: object) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def wake(self) -> None:
        self._woken = True
        if self._turn is not None:
            self._world._wake(self._turn)

    def select(self, timeout: float | None = None) -> list:
        self._world.pass_turn()
        if self._woken or (timeout is not None and timeout <= 0):
            self._woken = False
            return []
        self._turn = self._world._turn()
        self._world._park(self._turn, None if timeout is None else self._world.now() + timeout)
        self._turn, self._woken = None, False
        return []


class _FakeLoop(asyncio.SelectorEventLoop):
    """asyncio's own event loop, but for its clock and for how it waits."""

    def __init__(self, world: FakeTime) -> None:
        self._world = world
        super().__init__(_FakeSelector(world))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._world.now()

    def _write_to_self(self) -> None:
        self._selector.wake()


class RealTime(Time):
    """Real time with what chaos wants of a time: threads that sleep, and a clock that jumps."""

    def __init__(self) -> None:
        self._offset = 0.0
        self.jumps: list[tuple[float, float]] = []

    def now(self) -> float:
        return time.monotonic() + self._offset

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def jump(self, seconds: float) -> None:
        now = self.now()
        self._offset += seconds
        self.jumps.append((now, now + seconds))

    jumped_since = FakeTime.jumped_since

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    def stop(self) -> None:
        pass


def run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, whatever its tasks raise, as the real engine does."""
    try:
        while not getattr(loop, "is_over", False):
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        for _ in range(5):  # so many turns of the loop let nested cancellations come to their ends
            loop.call_soon(loop.stop)
            with contextlib.suppress(BaseException):
                loop.run_forever()
        loop.close()

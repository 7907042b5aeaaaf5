"""Supervision of the engine: start without blocking an answer, and restart, smaller where memory was the cause.

vLLM keeps its model in a separate process, which may die, hang or run out of memory, and may hang while it loads. This
module restarts a lost engine and bounds every wait for a new one, so that no question waits past its deadline.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from fastmath.engine.errors import name_error
from fastmath.engine.loading import LoadProcesses, LoadRules
from fastmath.engine.vllm import Engine

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_FAILURES = 3
"""Number of engines that one question may lose; after that it is answered by the vote so far."""
LEAST_SCALE = 1 / 8
"""Share of the full batch below which no engine is made, whatever the cause of the losses."""
AT_ONCE_SECONDS = 0.1
"""Longest wait for killed processes in the thread that has to answer a question, in seconds."""
_MEMORY_MARKS = ("out of memory", "MemoryError", "OutOfMemoryError", "ENOMEM", "Cannot allocate memory")


class EngineLostError(RuntimeError):
    """The engine has died, has failed to start, has loaded for too long, or has generated no token for too long."""


class Time:
    """The clock, and how threads are started and waited for; tests replace it by a simulated time."""

    def now(self) -> float:
        """Reading of a monotonic clock, in seconds."""
        return time.monotonic()

    def start(self, work: Callable[[], Result]) -> Future[Result]:
        """Run `work` in a new thread; whatever it raises is raised again by `wait`."""
        future: Future[Result] = Future()
        # A daemon thread, so that a hanging one does not keep the process from ending.
        threading.Thread(target=_fulfil, args=(future, work), name="bounded", daemon=True).start()
        return future

    def wait(self, future: Future[Result], timeout: float | None) -> Result:
        """The future's result.

        Args:
            future: a result of `start`.
            timeout: longest wait in seconds; None = no limit.

        Raises:
            TimeoutError: there is no result after `timeout` seconds.
            BaseException: whatever the work raised.
        """
        return future.result(timeout)


REAL_TIME = Time()


def run_bounded(work: Callable[[], Result], timeout: float | None, time: Time = REAL_TIME) -> Result:
    """Run `work` in a new thread and wait for its result, at most `timeout` seconds; None = no limit.

    Whatever it raises is raised again here, even `SystemExit`, which would hang Kaggle's server if
    nobody caught it.

    Raises:
        TimeoutError: the work is still running; its thread is abandoned.
    """
    return time.wait(time.start(work), timeout)


Start = Callable[[float, LoadProcesses], Engine]
"""Starts an engine, given the share of the full batch that it may run, and a hold on the processes of its load."""


@dataclass
class _Load:
    """The start of one engine, under way or over.

    Attributes:
        began: when it began, as read from `Time.now`.
        processes: processes that it has started.
        engine: the engine, or the error of its start.
        over: is done as soon as `engine` is, without an error.
        is_wanted: whether it was not given up.
    """

    began: float
    processes: LoadProcesses
    engine: Future[Engine] = field(init=False)
    over: Future[None] = field(default_factory=Future)
    is_wanted: bool = True


class EngineKeeper:
    """Starts the engine, and replaces it when it is lost or hangs while it loads."""

    def __init__(self, start: Start, time: Time = REAL_TIME, rules: LoadRules | None = None) -> None:
        """Prepare to start engines; none is started yet.

        Args:
            start: starts an engine, given the share of the full batch that it may run (1.0 for the first engine).
            time: clock and threads.
            rules: how long a load may take; None = `LoadRules()`.
        """
        self._start = start
        self._time = time
        self._rules = LoadRules() if rules is None else rules
        self._load: _Load | None = None
        self._first_load: float | None = None
        self._scale = 1.0
        self._starts = 0

    @property
    def scale(self) -> float:
        """Share of the full batch that the next engine runs; halved for lack of memory, down to `LEAST_SCALE`."""
        return self._scale

    @property
    def starts(self) -> int:
        """Number of engines whose start has begun so far."""
        return self._starts

    @property
    def is_up(self) -> bool:
        """Whether there is an engine that has loaded and was not given up."""
        return self._load is not None and self._load.engine.done() and self._load.engine.exception() is None

    def wait(self, timeout: float | None) -> Engine:
        """Wait for the engine, and start one if there is none; a load that hangs is ended and tried again.

        Args:
            timeout: longest wait in seconds; None = no limit.

        Raises:
            TimeoutError: the engine is still loading; a later call waits for the same one.
            EngineLostError: `MAX_FAILURES` loads have hung, one after the other.
            BaseException: whatever its start raised; a later call starts another engine.
        """
        deadline = math.inf if timeout is None else self._time.now() + timeout
        for _ in range(MAX_FAILURES - 1):
            with contextlib.suppress(EngineLostError):
                return self._wait_for_load(deadline)
        return self._wait_for_load(deadline)

    def require(self, timeout: float) -> Engine:
        """Like `wait`, but an engine that fails to start, or whose load hangs, counts as lost.

        Raises:
            TimeoutError: the engine is still loading.
            EngineLostError: its start failed, or its load hung and was ended; a later call waits for another engine.
        """
        try:
            return self._wait_for_load(self._time.now() + timeout)
        except BaseException as error:
            if self._load is not None or isinstance(error, KeyboardInterrupt):
                raise
            raise EngineLostError(f"the engine did not start: {name_error(error)}") from error

    def replace(self, error: BaseException, is_memory: bool = False) -> None:
        """Give up the engine and begin to start another one, with half the batch if it ran out of memory.

        An engine that is still loading is kept, unless it has been loading for too long.

        Args:
            error: error with which the engine was lost; if its text mentions memory, memory was the cause.
            is_memory: whether to assume that memory was the cause, whatever `error` says.
        """
        lost = self._load
        if lost is not None and not lost.engine.done():
            if self._seconds_left(lost) <= 0:
                self._give_up(lost)
            return  # it is still loading; the next call waits for it
        if is_memory or any(mark in name_error(error) for mark in _MEMORY_MARKS):
            self._scale = max(self._scale / 2, LEAST_SCALE)
        logger.error("the engine is lost (%s); another one is started", name_error(error))
        self._load = None
        if lost is not None and lost.engine.exception() is None:
            self._load = self._begin_load(lost.engine.result().kill)  # the next engine needs its memory

    def close(self) -> None:
        """Shut down the engine, if there is one; a load that is under way is ended."""
        load, self._load = self._load, None
        if load is None:
            return
        if not load.engine.done():
            load.processes.end()
            load.engine.add_done_callback(self._close_late)
        elif load.engine.exception() is None:
            load.engine.result().close()

    def _wait_for_load(self, deadline: float) -> Engine:
        load = self._load = self._load or self._begin_load()
        while True:
            # The load may have begun anew meanwhile, after the end of the engine before it.
            patience = min(self._seconds_left(load), deadline - self._time.now())
            try:
                return self._time.wait(load.engine, max(patience, 0.0))
            except BaseException as error:
                if load.engine.done() and load.engine.exception() is error:  # otherwise it was the wait that timed out
                    self._load = None
                    raise
                if not isinstance(error, TimeoutError):
                    raise
                if not load.engine.done() and self._seconds_left(load) <= 0:
                    raise self._give_up(load) from error
                if self._time.now() >= deadline:
                    raise

    def _seconds_left(self, load: _Load) -> float:
        return load.began + self._rules.limit(self._first_load) - self._time.now()

    def _begin_load(self, end_last: Callable[[], None] | None = None) -> _Load:
        """Begin to start an engine, in a thread that first ends the last one."""
        self._starts += 1
        load = _Load(self._time.now(), LoadProcesses())
        load.engine = self._time.start(lambda: self._run_load(load, end_last))
        load.engine.add_done_callback(lambda _: load.over.set_result(None))
        return load

    def _run_load(self, load: _Load, end_last: Callable[[], None] | None) -> Engine:
        if end_last is not None:
            end_last()
        load.processes.require_wanted()
        load.began = self._time.now()
        try:
            engine = self._start(self._scale, load.processes)
        except BaseException:
            load.processes.kill()  # what it has left keeps memory that the next one needs
            raise
        if self._first_load is None and load.is_wanted:
            self._first_load = self._time.now() - load.began
        return engine

    def _give_up(self, load: _Load) -> EngineLostError:
        """End a load that hangs and begin another one; the error says how long it has taken."""
        error = EngineLostError(f"the engine has not loaded within {self._time.now() - load.began:.0f} s")
        logger.error("%s; another one is started", error)
        load.is_wanted = False
        load.engine.add_done_callback(self._close_late)  # should it come up after all
        load.processes.kill(AT_ONCE_SECONDS)  # here, as what follows runs in a thread that ends with this process
        self._load = self._begin_load(lambda: self._end_load(load))
        return error

    def _end_load(self, load: _Load) -> None:
        load.processes.kill()
        # Without its processes a load fails, unless it hangs in this one; it may have started others meanwhile.
        with contextlib.suppress(TimeoutError):
            self._time.wait(load.over, self._rules.ending_seconds)
        load.processes.end()

    def _close_late(self, engine: Future[Engine]) -> None:
        """Close an engine that nobody wants any more, in a thread of its own, since it may take long or fail."""
        if engine.exception() is None:
            self._time.start(engine.result().close)


def _fulfil(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        future.set_exception(error)
    else:
        future.set_result(result)

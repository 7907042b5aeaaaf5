"""Supervision of the engine: start without blocking an answer, and restart, smaller where memory was the cause.

vLLM keeps its model in a separate process, which may die, hang or run out of memory. This module restarts a lost engine
and bounds every wait for a new one, so that no question waits past its deadline.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from fastmath.engine.errors import name_error
from fastmath.engine.vllm import Engine

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_FAILURES = 3
"""Number of engines that one question may lose; after that it is answered by the vote so far."""
_MEMORY_MARKS = ("out of memory", "MemoryError", "OutOfMemoryError", "ENOMEM", "Cannot allocate memory")


class EngineLostError(RuntimeError):
    """The engine has died, has failed to start, or has generated no token for too long."""


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


class EngineKeeper:
    """Starts the engine, and replaces it when it is lost."""

    def __init__(self, start: Callable[[float], Engine], time: Time = REAL_TIME) -> None:
        """Prepare to start engines; none is started yet.

        Args:
            start: starts an engine, given the share of the full batch that it may run (1.0 for the first engine).
            time: clock and threads.
        """
        self._start = start
        self._time = time
        self._starting: Future[Engine] | None = None
        self._scale = 1.0

    @property
    def scale(self) -> float:
        """Share of the full batch that the next engine runs; halved whenever an engine runs out of memory."""
        return self._scale

    def wait(self, timeout: float | None) -> Engine:
        """Wait for the engine, and start one if there is none.

        Args:
            timeout: longest wait in seconds; None = no limit.

        Raises:
            TimeoutError: the engine is still loading; a later call waits for the same one.
            BaseException: whatever its start raised; a later call starts another engine.
        """
        if self._starting is None:
            self._starting = self._time.start(lambda: self._start(self._scale))
        starting = self._starting
        try:
            return self._time.wait(starting, timeout)
        except BaseException as error:
            if starting.done() and starting.exception() is error:  # otherwise it was the wait that timed out
                self._starting = None
            raise

    def require(self, timeout: float) -> Engine:
        """Like `wait`, but an engine that fails to start counts as lost.

        Raises:
            TimeoutError: the engine is still loading.
            EngineLostError: its start failed.
        """
        try:
            return self.wait(timeout)
        except BaseException as error:
            if self._starting is not None or isinstance(error, KeyboardInterrupt):
                raise
            raise EngineLostError(f"the engine did not start: {name_error(error)}") from error

    def replace(self, error: BaseException, is_memory: bool = False) -> None:
        """Give up the engine and begin to start another one, with half the batch if it ran out of memory.

        An engine that is still loading is kept.

        Args:
            error: error with which the engine was lost; if its text mentions memory, memory was the cause.
            is_memory: whether to assume that memory was the cause, whatever `error` says.
        """
        lost = self._starting
        if lost is not None and not lost.done():
            return  # it is still loading; the next call waits for it
        if is_memory or any(mark in name_error(error) for mark in _MEMORY_MARKS):
            self._scale /= 2
        logger.error("the engine is lost (%s); another one is started", name_error(error))
        self._starting = None
        if lost is not None and lost.exception() is None:
            self._starting = self._time.start(lambda: self._start_successor(lost.result()))

    def close(self) -> None:
        """Shut down the engine, if there is one; an engine that is still loading is shut down once it has loaded."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.add_done_callback(_close_engine)

    def _start_successor(self, lost: Engine) -> Engine:
        lost.kill()  # the next engine needs its memory
        return self._start(self._scale)


def _close_engine(starting: Future[Engine]) -> None:
    if starting.exception() is None:
        starting.result().close()


def _fulfil(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        future.set_exception(error)
    else:
        future.set_result(result)

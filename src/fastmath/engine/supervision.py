"""The engine's life: started without blocking an answer, given up when it is lost, replaced by a smaller one.

vLLM keeps its model in a process of its own, which may die, hang or run out of memory. Here stands when it counts as
lost, and that nobody waits longer for a new one than the question's deadline.
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
"""Engines that one question may lose before it is answered by the vote so far."""
_MEMORY_MARKS = ("out of memory", "MemoryError", "OutOfMemoryError", "ENOMEM", "Cannot allocate memory")


class EngineLostError(RuntimeError):
    """The engine has died or has not started, or no live request has got a token for too long."""


class Time:
    """How the kernel reads the clock, starts threads and waits for them; tests put a simulated time in its place."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def start(self, work: Callable[[], Result]) -> Future[Result]:
        """Run `work` in a thread of its own; whatever it raises is handed over to the one who waits."""
        future: Future[Result] = Future()
        # A daemon, so that a thread that hangs does not keep the process from ending.
        threading.Thread(target=_fulfil, args=(future, work), name="bounded", daemon=True).start()
        return future

    def wait(self, future: Future[Result], timeout: float | None) -> Result:
        """The future's result.

        Raises:
            TimeoutError: it is not there after `timeout` seconds.
            BaseException: what its work raised.
        """
        return future.result(timeout)


REAL_TIME = Time()


def run_bounded(work: Callable[[], Result], timeout: float | None, time: Time = REAL_TIME) -> Result:
    """Run `work` in a thread of its own and wait for it no longer than `timeout` seconds.

    Whatever it raises is raised here, `SystemExit` too, which would hang Kaggle's server.

    Raises:
        TimeoutError: it is still running; its thread is left behind.
    """
    return time.wait(time.start(work), timeout)


class EngineKeeper:
    """Starts engines, and replaces those that are lost."""

    def __init__(self, start: Callable[[float], Engine], time: Time = REAL_TIME) -> None:
        """Take what starts an engine: a function of the share of its full batch that it may run."""
        self._start = start
        self._time = time
        self._starting: Future[Engine] | None = None
        self._scale = 1.0

    @property
    def scale(self) -> float:
        """Share of the full batch that the next engine runs; halved with every loss by memory."""
        return self._scale

    def wait(self, timeout: float | None) -> Engine:
        """The engine, started if there is none.

        Raises:
            TimeoutError: it is still loading; a later call goes on waiting for the same one.
            BaseException: what its start raised; a later call starts another.
        """
        if self._starting is None:
            self._starting = self._time.start(lambda: self._start(self._scale))
        starting = self._starting
        try:
            return self._time.wait(starting, timeout)
        except BaseException as error:
            if starting.done() and starting.exception() is error:  # otherwise it is the wait that was too long
                self._starting = None
            raise

    def require(self, timeout: float) -> Engine:
        """As `wait`, but a start that fails counts as the loss of an engine.

        Raises:
            TimeoutError: it is still loading.
            EngineLostError: its start failed.
        """
        try:
            return self.wait(timeout)
        except BaseException as error:
            if self._starting is not None or isinstance(error, KeyboardInterrupt):
                raise
            raise EngineLostError(f"the engine did not start: {name_error(error)}") from error

    def replace(self, error: BaseException, is_memory: bool = False) -> None:
        """Give the engine up and begin to start another, smaller where memory was the cause.

        Args:
            error: by which it was lost; one that speaks of memory tells the cause.
            is_memory: the cause is known to be, or taken for, the memory.
        """
        lost = self._starting
        if lost is not None and not lost.done():
            return  # it has not even loaded; whoever asks next waits for it
        if is_memory or any(mark in name_error(error) for mark in _MEMORY_MARKS):
            self._scale /= 2
        logger.error("the engine is lost (%s); another one is started", name_error(error))
        self._starting = None
        if lost is not None and lost.exception() is None:
            self._starting = self._time.start(lambda: self._succeed(lost.result()))

    def close(self) -> None:
        """End the engine, if there is one; one that is still loading ends when it has loaded."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.add_done_callback(_close_engine)

    def _succeed(self, lost: Engine) -> Engine:
        lost.kill()  # its memory is wanted
        return self._start(self._scale)


def _close_engine(starting: Future[Engine]) -> None:
    if starting.exception() is None:
        starting.result().close()


def _fulfil(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - handed over to the one who waits, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)

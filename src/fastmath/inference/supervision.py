"""The engine's life: started without blocking an answer, given up when it is lost, replaced by a smaller one.

vLLM keeps its model in a process of its own, which may die, hang or run out of memory. Here stands when it counts as
lost, and that nobody waits longer for a new one than the question's deadline.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from fastmath.inference.engines import Engine

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_FAILURES = 3
"""Engines that one question may lose before it is answered by the vote so far."""
_MEMORY_MARKS = ("out of memory", "MemoryError", "OutOfMemoryError", "ENOMEM", "Cannot allocate memory")


class EngineLostError(RuntimeError):
    """The engine has died, or no live request has got a token for too long."""


def run_bounded(work: Callable[[], Result], timeout: float | None) -> Result:
    """Run `work` in a thread of its own and wait for it no longer than `timeout` seconds.

    Whatever it raises is raised here, `SystemExit` too, which would hang Kaggle's server.

    Raises:
        TimeoutError: it is still running; its thread is left behind.
    """
    return _start_thread(work).result(timeout)


class EngineKeeper:
    """Starts engines, and replaces those that are lost."""

    def __init__(self, start: Callable[[float], Engine]) -> None:
        """Take what starts an engine: a function of the share of its full batch that it may run."""
        self._start = start
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
            self._starting = _start_thread(lambda: self._start(self._scale))
        try:
            return self._starting.result(timeout)
        except BaseException:
            if self._starting.done():  # otherwise it is the wait that was too long
                self._starting = None
            raise

    def replace(self, error: BaseException) -> None:
        """Give the engine up and begin to start another, smaller where memory was the cause."""
        if any(mark in f"{type(error).__name__}: {error}" for mark in _MEMORY_MARKS):
            self._scale /= 2
        lost, self._starting = self._starting, None
        logger.error("the engine is lost (%s: %.300s); another one is started", type(error).__name__, error)
        if lost is not None and lost.done() and lost.exception() is None:
            engine = lost.result()
            self._starting = _start_thread(lambda: self._succeed(engine))

    def close(self) -> None:
        """End the engine, if there is one."""
        starting, self._starting = self._starting, None
        if starting is not None and starting.done() and starting.exception() is None:
            starting.result().close()

    def _succeed(self, lost: Engine) -> Engine:
        lost.kill()  # its memory is wanted
        return self._start(self._scale)


def _start_thread(work: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed over to the one who waits, whatever it is
            future.set_exception(error)
        else:
            future.set_result(result)

    # A daemon, so that a thread that hangs does not keep the process from ending.
    threading.Thread(target=run, name="bounded", daemon=True).start()
    return future

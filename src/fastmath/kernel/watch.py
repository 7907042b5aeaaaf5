"""The wait for a question's answer, in the thread that must return it, beside an event loop that may get stuck."""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from fastmath.engine.supervision import Time
from fastmath.kernel.solver import Solver

GRACE_SECONDS = 0.5
"""How long after an answer was due, or was given, the event loop is waited for, in seconds."""
SHORTEST_WAIT = 0.001
"""Shortest wait, in seconds; a clock's rounding error must not keep a thread busy."""


@dataclass
class Watch:
    """The wait for one question's driver.

    Attributes:
        solver: state of the question; the driver's event loop changes it meanwhile.
        elapsed: function that returns the seconds since the contest began.
        time: clock and threads.
        over: is done as soon as the driver is, whatever it raises.
    """

    solver: Solver
    elapsed: Callable[[], float]
    time: Time
    over: Future[None] = field(default_factory=Future)
    _news: Future[None] = field(default_factory=Future)

    def tell(self) -> None:
        """Wake the thread that waits: the question is answered, or the time at which it will be has moved."""
        news, self._news = self._news, Future()
        with contextlib.suppress(InvalidStateError):  # two threads may tell at once
            news.set_result(None)

    def wait(self, work: Callable[[], None]) -> None:
        """Run the driver in a thread and wait for it, at most `GRACE_SECONDS` after an answer was due or given.

        Raises:
            TimeoutError: the event loop has not answered, or not come to its end, in time: it may be stuck.
            BaseException: whatever `work` raised.
        """
        running = self.time.start(work)
        running.add_done_callback(self._note_end)
        while True:
            news = self._news  # whatever happens from here on completes it
            if self.solver.answer is not None or self.over.done():
                self.time.wait(running, GRACE_SECONDS)
                return
            left = self.solver.answer_due + GRACE_SECONDS - self.elapsed()
            if left <= 0:
                raise TimeoutError("the engine's event loop has not answered in time")
            with contextlib.suppress(TimeoutError):
                self.time.wait(news, max(left, SHORTEST_WAIT))

    def is_stuck(self) -> bool:
        """Whether the driver has still not come to its end, `GRACE_SECONDS` from now."""
        try:
            self.time.wait(self.over, GRACE_SECONDS)
        except TimeoutError:
            return True
        return False

    def _note_end(self, _: Future[Any]) -> None:
        self.over.set_result(None)
        self.tell()

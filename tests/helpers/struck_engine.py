"""Strikes the processes of a real engine at random moments, from a thread."""

import contextlib
import os
import random
import signal
import threading
from typing import Self

from fastmath.engine.supervision import EngineKeeper


class Striker:
    """A context in which the engine is killed or stopped again and again.

    `struck` holds the signals that were sent.
    """

    def __init__(self, keeper: EngineKeeper, rng: random.Random, strikes: int = 2, most_seconds: float = 1.5) -> None:
        """Strike so many times, each at a random moment within `most_seconds` after the engine has come up."""
        self.struck: list[int] = []
        self._keeper, self._rng, self._strikes, self._most = keeper, rng, strikes, most_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=60)

    def _work(self) -> None:
        for _ in range(self._strikes):
            while not self._keeper.is_up:
                if self._over.wait(0.02):
                    return
            load = self._keeper._load
            if self._over.wait(self._rng.uniform(0.0, self._most)):
                return
            # A stopped engine is no dead one: only its silence tells.
            number = self._rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])
            for process in load.engine.result()._processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
            self.struck.append(number)
            while self._keeper._load is load:  # until the loss has been noticed
                if self._over.wait(0.02):
                    return

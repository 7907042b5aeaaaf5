"""Contests on an engine that dies, hangs, runs out of memory and says nonsense, at random but reproducibly."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
from scripted_engine import make_tokenizer

from fastmath.answers.contests import CONTESTS
from fastmath.inference.clock import ClockRules
from fastmath.inference.engines import Chunk, Sampling
from fastmath.inference.gateway import LocalGateway
from fastmath.inference.journal import Journal, QuestionRecord
from fastmath.inference.kernel import Kernel
from fastmath.inference.solver import SolverRules
from fastmath.inference.supervision import EngineKeeper

FAULTS = (
    *("death", "hang", "stuck loop", "out of memory", "exception", "base exception", "nonsense tokens", "failed start"),
    *("slow disk", "full disk", "endless sample", "empty stream"),
)
"""What may happen around a question."""

tokenizer = lru_cache(make_tokenizer)


@dataclass
class Weather:
    """Decides which fault, if any, strikes next; shared by all engines of a contest.

    Attributes:
        rng: of the contest.
        share: chance of a fault at each occasion.
        faults: those that may happen.
        struck: how often each has happened.
    """

    rng: random.Random
    share: float
    faults: Sequence[str] = FAULTS
    struck: dict[str, int] = field(default_factory=dict)

    def strikes(self, *names: str) -> str | None:
        """One of the named faults, now, or none."""
        possible = [name for name in names if name in self.faults]
        if not possible or self.rng.random() >= self.share:
            return None
        fault = self.rng.choice(possible)
        self.struck[fault] = self.struck.get(fault, 0) + 1
        return fault


class ChaosEngine:
    """An engine with a loop of its own whose samples answer `answer`, unless the weather is against it."""

    def __init__(self, weather: Weather, answer: int) -> None:
        if weather.strikes("failed start"):
            raise weather.rng.choice([RuntimeError("CUDA error"), MemoryError(), SystemExit(1), OSError("no device")])
        self.tokenizer = tokenizer()
        self._weather = weather
        self._ids = tuple(self.tokenizer(f"So \\boxed{{{answer}}}.\n</think>")["input_ids"])
        self._alive = True
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        except BaseException:  # noqa: BLE001 - the loop dies of SystemExit, and with it the engine
            self._alive = False

    @property
    def is_alive(self) -> bool:
        return self._alive

    def run(self, work: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        fault = self._weather.strikes(
            *("death", "hang", "stuck loop", "out of memory", "exception", "base exception", "nonsense tokens"),
            *("endless sample", "empty stream"),
        )
        for token in self._ids[:-1]:
            yield Chunk((token,), None)
            await asyncio.sleep(0)
        match fault:
            case "death" | "out of memory":
                self._alive = False
                raise RuntimeError("CUDA out of memory" if fault == "out of memory" else "EngineDeadError")
            case "hang":
                await asyncio.Event().wait()
            case "stuck loop":
                time.sleep(0.05)
            case "exception":
                raise self._weather.rng.choice([ValueError("x"), KeyError("y"), RecursionError(), UnicodeError()])
            case "base exception":
                raise self._weather.rng.choice([SystemExit(3), asyncio.CancelledError(), BaseException("z")])
            case "nonsense tokens":
                yield Chunk((10**9, -5), "stop")
            case "endless sample":
                while True:
                    yield Chunk((self._ids[0],), None)
                    await asyncio.sleep(0.001)
            case "empty stream":
                return
        yield Chunk(self._ids[-1:], "stop")

    async def abort(self, request_ids: Iterable[str]) -> None:
        pass

    def kill(self) -> None:
        self._alive = False
        self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        self.kill()


class ChaosJournal(Journal):
    """A journal whose disk may be slow or full."""

    weather: Weather

    def write(self, record: QuestionRecord) -> None:
        fault = self.weather.strikes("slow disk", "full disk")
        if fault == "slow disk":
            time.sleep(0.02)
        if fault == "full disk":
            self.answers[record.id] = record.answer
            return
        super().write(record)


def play(
    folder: Path,
    seed: int,
    share: float,
    questions: int = 50,
    seconds: float = 2.0,
    faults: Sequence[str] = FAULTS,
    on_start: Callable[[ChaosEngine], None] | None = None,
) -> tuple[pl.DataFrame, float, Weather]:
    """One contest: the submission, how many seconds it went past its limit, and what has struck."""
    weather = Weather(random.Random(seed), share, faults)
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"id": [f"q{i}" for i in range(questions)], "problem": ["What is 3+4?"] * questions}).write_csv(
        folder / "test.csv"
    )
    journal = ChaosJournal(folder / "questions.jsonl", {"seed": str(seed)})
    journal.weather = weather
    kernel = Kernel(
        keeper=EngineKeeper(lambda _: ChaosEngine(weather, answer=7)),
        profile=CONTESTS["aimo2"],
        system_prompt=None,
        sampling=Sampling(64, 1.0, 1.0),
        rules=SolverRules((2, 2, 4), 0.85, 0.5, fallback_answer=0),
        clock=ClockRules(seconds, questions),
        journal=journal,
        hang_seconds=0.02,
    )
    began = time.monotonic()
    submission = LocalGateway(kernel.predict, seed=seed).run(folder / "test.csv", folder)
    late = time.monotonic() - began - seconds
    kernel.keeper.close()
    return submission, late, weather

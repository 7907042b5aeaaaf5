"""Weather, and an engine and a clock in which it makes anything go wrong, at random but reproducibly.

Loads start a process, which a load that fails or hangs leaves behind: `sleep`, in the place of vLLM's.
"""

import asyncio
import random
import subprocess
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fastmath.engine.loading import LoadProcesses
from fastmath.engine.vllm import Chunk, Sampling
from helpers.fake_time import FakeTime, RealTime, run_loop
from helpers.scripted_engine import make_tokenizer

ENGINE_FAULTS = ("death", "hang", "stuck loop", "out of memory", "exception", "malformed output", "clock jump")
SAMPLE_FAULTS = ("endless sample", "empty stream", "nonsense answer")
LOAD_FAULTS = ("failed start", "slow start", "endless load", "failed load with children alive")
ENGINE_LIFE_FAULTS = (*LOAD_FAULTS, "slow kill", "failed kill", "hanging abort", "failed abort")
QUESTION_FAULTS = ("30-minute call", "tie with lost samples")
FAULTS = (
    *(*ENGINE_FAULTS, *SAMPLE_FAULTS, *ENGINE_LIFE_FAULTS, *QUESTION_FAULTS, "restart", "plan exception"),
    *("parser exception", "vote exception", "slow disk", "stuck disk", "full disk"),
)
"""What may happen around a question."""

EXCEPTIONS: tuple[Callable[[], BaseException], ...] = (
    *(ValueError, KeyError, RecursionError, UnicodeError, MemoryError, AssertionError, TimeoutError, OSError),
    *(RuntimeError, StopIteration, StopAsyncIteration, EOFError, AttributeError, ArithmeticError, ImportError),
    *(lambda: Exception("x" * 100_000), lambda: ExceptionGroup("many", [ValueError(1), TypeError(2)])),
    *(BaseException, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError),
)
"""Of every base class, one with a message far longer than Kaggle's connection bears among them."""

MALFORMED: tuple[Chunk, ...] = (
    *(Chunk((10**9, -5), "stop"), Chunk((), "stop"), Chunk(None, None), Chunk(("a",), "stop"), Chunk((1.5,), "length")),
    *(Chunk((0,) * 2000, "banana"), None, "}"),
)
NONSENSE = ("9" * 5000, "-3", "10^{400}", "\\frac{1}{0}", "\\boxed{", "}{", "\x00", "NaN", "1e999", " ", "٣", "𝟞")

tokenizer = lru_cache(make_tokenizer)


@dataclass
class Weather:
    """Decides which fault, if any, strikes next; shared by everything of a contest.

    Attributes:
        rng: of the contest.
        share: chance of a fault at each occasion.
        time: of the contest.
        faults: those that may happen.
        struck: how often each has happened.
    """

    rng: random.Random
    share: float
    time: FakeTime | RealTime
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

    def error(self) -> BaseException:
        return self.rng.choice(EXCEPTIONS)()

    def seconds(self, most: float) -> float:
        """Up to `most` virtual seconds; on real time a three-hundredth of them."""
        drawn = self.rng.uniform(0.0, most)
        return drawn if isinstance(self.time, FakeTime) else drawn / 300


@dataclass(frozen=True)
class Recorded:
    """One question with its recorded samples: what each answers and how many tokens it takes."""

    text: str
    samples: tuple[tuple[str, int], ...]


@dataclass
class Desk:
    """What is being asked now.

    Attributes:
        question: the question.
        fate: fault that befalls it, if any.
        ended: number of its samples that have ended under that fault.
    """

    question: Recorded
    fate: str | None = None
    ended: int = 0


@lru_cache(maxsize=4096)
def end_of(answer: str) -> tuple[int, ...]:
    """Token ids of the end of a sample; without an answer it has no box."""
    box = f"So \\boxed{{{answer}}}.\n" if answer else "no idea "
    return tuple(tokenizer()(f"{box}</think>")["input_ids"])


class ChaosEngine:
    """Plays back the samples of the question on the desk, in its own event loop, unless the weather is against it.

    A recorded token takes `pace` seconds; 200 of them are played as one.
    """

    context_tokens = 2048

    def __init__(self, weather: Weather, desk: Desk, pace: float, processes: LoadProcesses) -> None:
        fault = weather.strikes(*LOAD_FAULTS)
        weather.time.sleep(weather.seconds(600.0) if fault == "slow start" else 20 * pace)
        processes.require_wanted()
        if fault in ("endless load", "failed load with children alive"):
            child = subprocess.Popen(["sleep", "3600"])
        if fault == "endless load":
            # Half of such loads fail once their process has been killed, the others hang for good.
            hangs_here = weather.rng.random() < 0.5
            while hangs_here or child.poll() is None:
                weather.time.sleep(weather.seconds(20.0) + 1e-3)
        if fault not in (None, "slow start"):
            raise weather.error()
        self.tokenizer = tokenizer()
        self._weather, self._desk, self._pace = weather, desk, pace
        self._filler = self.tokenizer("+")["input_ids"][0]
        self._alive, self._hung = True, False
        self._loop = weather.time.new_event_loop()
        weather.time.start(lambda: run_loop(self._loop))

    @property
    def is_alive(self) -> bool:
        return self._alive

    def run(self, work: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
        return self._weather.time.wait(asyncio.run_coroutine_threadsafe(work, self._loop), timeout)

    async def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        samples = self._desk.question.samples
        sample = int(request_id.rpartition("-")[2])
        answer, recorded = samples[sample % len(samples)]
        fault = self._weather.strikes(*ENGINE_FAULTS, *SAMPLE_FAULTS)
        if "-harvest-" in request_id:
            await self._suffer(fault)
            yield Chunk(tuple(self.tokenizer(f"{answer}}}")["input_ids"]), "stop")
            return
        if fault == "nonsense answer":
            answer = self._weather.rng.choice(NONSENSE)
        while self._desk.fate == "30-minute call":
            yield Chunk((self._filler,), None)
            await asyncio.sleep(10_000 * self._pace)
        begin, parts, tokens = self._loop.time(), max(4, recorded // 8000), recorded // 200
        struck_at = self._weather.rng.randrange(parts)
        for part in range(parts):
            if fault is not None and part == struck_at:
                await self._suffer(fault)
                if fault == "malformed output":
                    yield self._weather.rng.choice(MALFORMED)
                if fault == "empty stream":
                    return
                while fault == "endless sample":
                    yield Chunk((self._filler,), None)
                    await asyncio.sleep(1000 * self._pace + 1e-3)
            # Of samples of one length the first started ends first.
            end = begin + recorded * self._pace * (part + 1) / parts + 1e-4 * sample
            await asyncio.sleep(max(end - self._loop.time(), 0.0))
            if not self._alive:
                raise RuntimeError("EngineDeadError")
            if self._hung:
                await asyncio.Event().wait()
            if part < parts - 1:
                yield Chunk((self._filler,) * (tokens // parts), None)
        if self._desk.fate == "tie with lost samples":
            self._desk.ended += 1
            yield Chunk(end_of("37"[self._desk.ended % 2]), "stop")
            self._alive = self._alive and self._desk.ended != 4  # two votes against two, and the others are lost
            return
        yield Chunk(end_of(answer), "stop")

    async def _suffer(self, fault: str | None) -> None:
        match fault:
            case "death" | "out of memory":
                self._alive = False
                raise RuntimeError("CUDA out of memory" if fault == "out of memory" else "EngineDeadError")
            case "hang":
                self._hung = True
            case "stuck loop":
                self._weather.time.sleep(self._weather.seconds(300.0))
            case "clock jump":
                self._weather.time.jump(self._weather.seconds(120.0) * self._weather.rng.choice(self._directions()))
            case "exception":
                raise self._weather.error()

    def _directions(self) -> tuple[int, ...]:
        # Virtual time is also what threads wait by, and that never goes back.
        return (1,) if isinstance(self._weather.time, FakeTime) else (1, -1)

    async def abort(self, request_ids: Iterable[str]) -> None:
        match self._weather.strikes("hanging abort", "failed abort"):
            case "hanging abort":
                await asyncio.Event().wait()
            case "failed abort":
                raise self._weather.error()

    def kill(self) -> None:
        self._alive, self._loop.is_over = False, True
        self._loop.call_soon_threadsafe(self._loop.stop)
        match self._weather.strikes("slow kill", "failed kill"):
            case "slow kill":
                self._weather.time.sleep(self._weather.seconds(60.0))
            case "failed kill":
                raise self._weather.error()

    def close(self) -> None:
        self.kill()

"""Between the solver and the engine: asyncio tasks that draw samples and turn what happens to them into events."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fastmath.answers.contests import ContestProfile, contest_answer
from fastmath.answers.extract import extract_answer
from fastmath.inference.engines import Chunk, Engine, Sampling
from fastmath.inference.solver import Abort, Action, Answer, Event, Failed, Finished, Grew, Solver, Start, TimePassed

logger = logging.getLogger(__name__)

ABORT_SECONDS = 0.5
"""Longest wait for aborted samples to say how many tokens they had."""


@dataclass
class Driver:
    """Drives one solver on the engine's event loop.

    Attributes:
        engine: draws the samples.
        solver: decides.
        prompt: token ids of the question.
        sampling: how samples are drawn.
        profile: the contest; a sample votes for what `contest_answer` reads from it.
        name: of the question, unique within the engine's life; requests are named after it.
        elapsed: seconds since the contest began.
    """

    engine: Engine
    solver: Solver
    prompt: Sequence[int]
    sampling: Sampling
    profile: ContestProfile
    name: str
    elapsed: Callable[[], float]
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _samples: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Pass events to the solver and carry out its actions until it has answered."""
        try:
            await self._carry_out(self.solver.begin(self.elapsed()))
            while self.solver.answer is None:
                event = await self._next_event()
                await self._carry_out(self.solver.handle(event, self.elapsed()))
            if self._samples:
                await asyncio.wait(self._samples.values(), timeout=ABORT_SECONDS)
        finally:
            for task in self._samples.values():
                task.cancel()
            # What samples still had to say counts for the tokens alone.
            while not self._events.empty():
                self.solver.handle(self._events.get_nowait(), self.elapsed())

    async def _next_event(self) -> Event:
        patience = max(self.solver.next_wakeup - self.elapsed(), 0.0)
        try:
            return await asyncio.wait_for(self._events.get(), patience)
        except TimeoutError:
            return TimePassed()

    async def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Start(samples):
                    for sample in samples:
                        self._start(sample)
                case Abort(samples):
                    await self.engine.abort([self._request_id(sample) for sample in samples])
                case Answer(answer, reason):
                    logger.debug("%s: answered %d (%s)", self.name, answer, reason)

    def _start(self, sample: int) -> None:
        def report_failure(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                logger.error("sample %s failed", self._request_id(sample), exc_info=error)
                self._events.put_nowait(Failed(sample, f"{type(error).__name__}: {error}"))

        task = asyncio.create_task(self._draw(sample))
        task.add_done_callback(report_failure)
        self._samples[sample] = task

    async def _draw(self, sample: int) -> None:
        tokens: list[int] = []
        async with contextlib.aclosing(
            self.engine.stream(self._request_id(sample), self.prompt, self.sampling)
        ) as stream:
            async for chunk in stream:
                tokens += chunk.token_ids
                answer = self._read_open_box(tokens, chunk)
                if answer is not None:
                    self._events.put_nowait(Finished(sample, len(tokens), answer))
                    return
                self._events.put_nowait(Grew(sample, len(tokens)))
        answer = contest_answer(extract_answer(self.engine.tokenizer.decode(tokens)), self.profile)
        self._events.put_nowait(Finished(sample, len(tokens), answer))

    def _read_open_box(self, tokens: Sequence[int], chunk: Chunk) -> int | None:
        """The answer of reasoning that goes on behind its first complete box, None where the end is waited for."""
        # Decoding a whole trace at every token would take quadratic time: only a brace can complete a box.
        if self.sampling.stop != "box" or "}" not in self.engine.tokenizer.decode(chunk.token_ids):
            return None
        text = self.engine.tokenizer.decode(tokens)
        return contest_answer(extract_answer(text, require_finished=False), self.profile)

    def _request_id(self, sample: int) -> str:
        return f"{self.name}-{sample}"

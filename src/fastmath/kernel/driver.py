"""The link between solver and engine: asyncio tasks that draw samples and report their progress as events."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase

from fastmath.answers.contests import ContestProfile, contest_answer
from fastmath.answers.extract import extract_answer, extract_boxed
from fastmath.engine.errors import describe_error, name_error
from fastmath.engine.supervision import EngineLostError
from fastmath.engine.vllm import Engine, Sampling
from fastmath.kernel.solver import (
    Abort,
    Action,
    Answer,
    End,
    Event,
    Failed,
    Finished,
    Grew,
    Harvest,
    Solver,
    Start,
    TimePassed,
)
from fastmath.prompts import THINK_END

logger = logging.getLogger(__name__)

ABORT_SECONDS = 0.25
"""Longest wait for the engine to confirm an abort, and again for the last tokens of the aborted samples."""
GROWTH_SECONDS = 1.0
"""Interval at which token counts of running samples are reported to the solver; a report per token would cost time."""
JUMP_SECONDS = 1.0
"""How much longer than requested a wait may take; time beyond that counts as a jump of the clock, not as a hang."""
HARVEST_TEXT = f"\n{THINK_END}\n\n\\boxed{{"
"""Appended to a sample that is out of time: it ends the reasoning and opens a box, so that the answer comes next."""
HARVEST_TOKENS = 12
"""Largest number of tokens generated after `HARVEST_TEXT`."""


@dataclass
class Driver:
    """Runs one solver on the engine's event loop, until the question is answered.

    Attributes:
        engine: engine that draws the samples.
        solver: state of the question; it decides what to do.
        prompt: token ids of the question's prompt.
        sampling: sampling parameters.
        profile: the contest, which decides which integer a sample votes for (`contest_answer`).
        name: name of the question, from which request ids are made; must be unique within the engine's life.
        elapsed: function that returns the seconds since the contest began.
        hang_seconds: how long the engine may generate no token for any live sample before it counts as lost, in
            seconds.
        tell: is called as soon as the solver has answered, or has moved the time at which it will.
    """

    engine: Engine
    solver: Solver
    prompt: Sequence[int]
    sampling: Sampling
    profile: ContestProfile
    name: str
    elapsed: Callable[[], float]
    hang_seconds: float = 60.0
    tell: Callable[[], None] = lambda: None
    _told: float = field(default=math.inf, init=False)
    _progress_at: float = field(default=0.0, init=False)
    _growth_reported_at: float = field(default=0.0, init=False)
    _asleep_until: float = field(default=0.0, init=False)
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _samples: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _requests: dict[int, str] = field(default_factory=dict)
    _tokens: dict[int, list[int]] = field(default_factory=dict)
    _brace_tokens: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self._brace_tokens = tokens_with_brace(self.engine.tokenizer) if self.sampling.stop == "box" else frozenset()

    async def run(self) -> None:
        """Pass events to the solver and carry out its actions until it has answered.

        Raises:
            EngineLostError: the engine has died, or has generated no token for `hang_seconds`.
        """
        try:
            self._progress_at = self._growth_reported_at = self.elapsed()
            await self._carry_out(self.solver.begin(self.elapsed()))
            while self.solver.answer is None:
                event = await self._next_event()
                self._require_engine(event)
                for item in (*self._due_growth(event), event):
                    await self._carry_out(self.solver.handle(item, self.elapsed()))
            if self._samples:
                await asyncio.wait(self._samples.values(), timeout=ABORT_SECONDS)
        finally:
            tasks, self._samples = self._samples, {}
            for task in tasks.values():
                task.cancel()
            # Late events of samples no longer vote; only their tokens are counted.
            for item in (*self._growth(), *self._drain()):
                self.solver.handle(item, self.elapsed())

    def _due_growth(self, event: Event) -> list[Event]:
        if not isinstance(event, TimePassed) and self.elapsed() < self._growth_reported_at + GROWTH_SECONDS:
            return []
        self._growth_reported_at = self.elapsed()
        return self._growth()

    def _growth(self) -> list[Event]:
        """An event for each sample that has more tokens than the solver knows of."""
        return [
            Grew(sample, len(tokens))
            for sample, tokens in self._tokens.items()
            if len(tokens) > self.solver.tokens.get(sample, 0)
        ]

    def _drain(self) -> list[Event]:
        return [self._events.get_nowait() for _ in range(self._events.qsize())]

    def _require_engine(self, event: Event) -> None:
        if isinstance(event, Failed) and not self.engine.is_alive:
            raise EngineLostError(event.error)
        # A jump of the clock does not count as silence of the engine.
        self._progress_at += max(self.elapsed() - self._asleep_until - JUMP_SECONDS, 0.0)
        if isinstance(event, TimePassed) and self.elapsed() >= self._progress_at + self.hang_seconds:
            raise EngineLostError(f"no live sample has got a token for {self.hang_seconds:.0f} s")

    async def _next_event(self) -> Event:
        """The next end of a sample, or `TimePassed` if something is due before one ends."""
        now = self._asleep_until = self.elapsed()
        if not self._events.empty():  # an event that is already there needs no timer
            return self._events.get_nowait()
        due = min(self.solver.next_wakeup, self._progress_at + self.hang_seconds)
        patience = min(max(due - now, 0.0), GROWTH_SECONDS)
        self._asleep_until += patience
        try:
            return await asyncio.wait_for(self._events.get(), patience)
        except TimeoutError:
            return TimePassed()

    async def _carry_out(self, actions: Sequence[Action]) -> None:
        due = self.solver.answer_due if self.solver.answer is None else -math.inf
        if due != self._told:
            self._told = due
            self.tell()
        for action in actions:
            match action:
                case Start(samples):
                    for sample in samples:
                        self._start(sample, f"{self.name}-{sample}", self._draw)
                case Harvest(samples):
                    for sample in samples:
                        self._samples[sample].cancel()  # closes its stream, which ends the request
                        self._start(sample, f"{self.name}-harvest-{sample}", self._harvest)
                case Abort(samples):
                    await self._abort(samples)
                case Answer(answer, reason):
                    logger.debug("%s: answered %d (%s)", self.name, answer, reason)

    async def _abort(self, samples: Sequence[int]) -> None:
        for sample in samples:
            if not self._tokens[sample]:  # the engine may not know it yet, and would then report no end
                self._samples.pop(sample).cancel()
        work = self.engine.abort([self._requests[sample] for sample in samples])
        try:
            await asyncio.wait_for(work, ABORT_SECONDS)
        except TimeoutError:
            logger.error("%s: the engine has not confirmed an abort within %.2f s", self.name, ABORT_SECONDS)

    def _start(self, sample: int, request: str, work: Callable[[int, str], Coroutine[Any, Any, None]]) -> None:
        def report_failure(task: asyncio.Task[None]) -> None:
            # A cancellation that the driver did not ask for is a failure like any other.
            error = asyncio.CancelledError("cancelled") if task.cancelled() else task.exception()
            if error is not None and self._samples.get(sample) is task:  # otherwise it was cut off, to be harvested
                logger.error("sample %s failed: %s", request, describe_error(error))
                self._events.put_nowait(Failed(sample, name_error(error)))

        self._progress_at = self.elapsed()
        self._requests[sample] = request
        self._tokens.setdefault(sample, [])
        task = asyncio.create_task(work(sample, request))
        task.add_done_callback(report_failure)
        self._samples[sample] = task

    async def _draw(self, sample: int, request: str) -> None:
        tokens = self._tokens[sample]
        async with contextlib.aclosing(self.engine.stream(request, self.prompt, self.sampling)) as stream:
            async for chunk in stream:
                tokens += chunk.token_ids
                self._progress_at = self.elapsed()
                # Only a closing brace can complete a box; decoding the whole trace at each token takes quadratic time.
                answer = None if self._brace_tokens.isdisjoint(chunk.token_ids) else self._read_open_box(tokens)
                if answer is not None:
                    self._finish(sample, answer, "ended")
                    return
        text = extract_answer(self.engine.tokenizer.decode(tokens), self.sampling.answer_place)
        self._finish(sample, contest_answer(text, self.profile), "ended")

    async def _harvest(self, sample: int, request: str) -> None:
        """Continue a sample that is out of time with its answer; its tokens so far are in the engine's prefix cache."""
        closing = self.engine.tokenizer(HARVEST_TEXT, add_special_tokens=False)["input_ids"]
        prompt = [*self.prompt, *self._tokens[sample], *closing]
        sampling = Sampling(HARVEST_TOKENS, temperature=0.0, top_p=1.0)
        said: list[int] = []
        box = None
        async with contextlib.aclosing(self.engine.stream(request, prompt, sampling)) as stream:
            async for chunk in stream:
                said += chunk.token_ids
                self._progress_at = self.elapsed()
                box = extract_boxed(r"\boxed{" + self.engine.tokenizer.decode(said))
                if box is not None:
                    break
        self._tokens[sample] += said
        self._finish(sample, contest_answer(box, self.profile), "harvested")

    def _finish(self, sample: int, answer: int | None, end: End) -> None:
        self._events.put_nowait(Finished(sample, len(self._tokens[sample]), answer, end))

    def _read_open_box(self, tokens: Sequence[int]) -> int | None:
        """The answer in the first complete box of a sample that is still reasoning; None = no valid answer yet."""
        text = self.engine.tokenizer.decode(tokens)
        return contest_answer(extract_answer(text, self.sampling.answer_place, require_finished=False), self.profile)


@lru_cache(maxsize=2)
def tokens_with_brace(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of the tokens whose text contains a closing brace, found once per tokenizer."""
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return frozenset(identifier for identifier, text in enumerate(texts) if _closes(text))


def _closes(token: str | None) -> bool:
    return token is not None and ("}" in token or token == "<0x7D>")

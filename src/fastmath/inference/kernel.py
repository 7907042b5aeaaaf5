"""The contest kernel: one question end to end, whatever happens, and a journal of what was answered and why.

`Kernel.predict` is what the contest's server calls. It gives the question its time, drives a `Solver` with the events
of the engine, and returns an int64 answer: the decided vote, the vote so far, or the fallback. It never raises, and
never waits past the question's deadline, because the contest writes its submission only after the last question and
one exception would lose all of them.
"""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from fastmath.answers.contests import ContestProfile
from fastmath.answers.prompts import render_prompt
from fastmath.inference.clock import ClockRules, allot
from fastmath.inference.driver import Driver
from fastmath.inference.engines import Engine, Sampling
from fastmath.inference.gateway import SUBMISSION_SCHEMA
from fastmath.inference.journal import MAX_ERROR_CHARACTERS, Journal, QuestionRecord
from fastmath.inference.solver import Solver, SolverRules, TimePassed
from fastmath.inference.supervision import MAX_FAILURES, EngineKeeper, EngineLostError, run_bounded

logger = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""How long after a question's deadline whatever has not answered is given up."""
JOURNAL_SECONDS = 2.0
"""Longest wait for a slow disk."""


@dataclass
class Kernel:
    """Answers the questions of one contest, one after another.

    Attributes:
        keeper: starts the engine with the first question, which has no deadline of the gateway's.
        profile: the contest; samples vote on what `contest_answer` reads from them.
        system_prompt: text of the recipe's system prompt, None for none.
        sampling: how samples are drawn.
        rules: how a vote is decided.
        clock: how the time is divided.
        journal: where every answer is written; questions that it knows are answered from it.
        hang_seconds: without a token for so long a live engine counts as lost.
        started: when the contest began, by `time.monotonic`; None takes the first call.
    """

    keeper: EngineKeeper
    profile: ContestProfile
    system_prompt: str | None
    sampling: Sampling
    rules: SolverRules
    clock: ClockRules
    journal: Journal
    hang_seconds: float = 60.0
    started: float | None = None
    _asked: int = 0
    _failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.journal.elapsed:  # a restarted notebook does not get its time back
            began = time.monotonic() - self.journal.elapsed
            self.started = began if self.started is None else min(began, self.started)

    def predict(self, id_: Any, question: Any, *_: Any) -> pl.DataFrame:
        """Answer one question; never raises but for Ctrl-C.

        Args:
            id_: the question's id, as text or as a Series of length 1.
            question: its text, likewise; whatever columns follow, such as a known answer, are not looked at.

        Returns:
            One row of `id` (String) and `answer` (Int64).
        """
        called = time.monotonic()
        self.started = called if self.started is None else self.started
        name, text = str(_scalar(id_)), str(_scalar(question))
        if name in self.journal.answers:
            return _submit(name, self.journal.answers[name])
        self._failures = []
        solver = self._make_solver()
        try:
            solver = self._solve(text, solver)
        except KeyboardInterrupt:
            raise
        except BaseException as caught:
            logger.error("question %s failed; the vote so far is answered", name, exc_info=caught)
            self._note(caught)
        record = self._make_record(name, solver, called)
        try:
            run_bounded(lambda: self.journal.write(record), JOURNAL_SECONDS)
        except TimeoutError:
            logger.error("the disk has not taken the answer to %s within %.0f s", name, JOURNAL_SECONDS)
        self.journal.answers[name] = record.answer
        return _submit(name, record.answer)

    def _make_solver(self) -> Solver:
        return Solver(self.rules, allot(self.clock, self._elapsed(), len(self.journal.answers)))

    def _solve(self, question: str, solver: Solver) -> Solver:
        """Drive the question until it is answered, its time is over, or it has lost too many engines."""
        first, self._asked = self._asked == 0, self._asked + 1
        if not first and self._elapsed() >= solver.allotment.deadline:
            solver.handle(TimePassed(), self._elapsed())  # nothing is left, not even for an engine to say so
            return solver
        end = self.clock.limit_seconds if first else solver.allotment.deadline
        for attempt in range(MAX_FAILURES):
            engine = self.keeper.wait(max(end - self._elapsed(), 0.0))
            if first and attempt == 0:
                # Loading a model takes minutes of the contest, which are not the first question's alone.
                solver = self._make_solver()
                end = solver.allotment.deadline
            try:
                self._drive(engine, question, solver, attempt)
                return solver
            except (EngineLostError, TimeoutError) as error:
                if solver.answer is not None:  # only the aborted samples were slow to say so
                    return solver
                self._note(error)
                self.keeper.replace(error)
                solver.lose_samples()
        return solver

    def _drive(self, engine: Engine, question: str, solver: Solver, attempt: int) -> None:
        name = f"q{self._asked - 1}.{attempt}" if attempt else f"q{self._asked - 1}"

        def work() -> None:
            prompt = render_prompt(engine.tokenizer, question, self.system_prompt)
            driver = Driver(engine, solver, prompt, self.sampling, self.profile, name, self._elapsed, self.hang_seconds)
            engine.run(driver.run())

        # Not on the event loop's word alone: a loop that is stuck must not hold the answer.
        run_bounded(work, max(solver.allotment.deadline - self._elapsed(), 0.0) + GRACE_SECONDS)

    def _note(self, error: BaseException) -> None:
        self._failures.append(f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS])

    def _make_record(self, identifier: str, solver: Solver, called: float) -> QuestionRecord:
        allotment = solver.allotment
        errors = [*self._failures, *list(solver.errors.values())]
        return QuestionRecord(
            id=identifier,
            answer=solver.best_answer if solver.answer is None else solver.answer.answer,
            reason="error" if solver.answer is None else solver.answer.reason,
            votes=[vote.answer for vote in solver.votes],
            samples=solver.started,
            tokens=sum(solver.tokens.values()),
            seconds=round(time.monotonic() - called, 4),
            share_seconds=round(allotment.target - allotment.start, 4),
            deadline_seconds=round(allotment.deadline - allotment.start, 4),
            elapsed_seconds=round(self._elapsed(), 4),
            error=next(iter(errors), None),
        )

    def _elapsed(self) -> float:
        return time.monotonic() - (self.started or 0.0)


def _submit(identifier: str, answer: int) -> pl.DataFrame:
    return pl.DataFrame({"id": [identifier], "answer": [answer]}, schema=SUBMISSION_SCHEMA)


def _scalar(value: Any) -> Any:
    """The one value of a polars or pandas Series, empty text for none; anything else as it is."""
    return next(iter(value.to_list()), "") if hasattr(value, "to_list") else value

"""The contest kernel: one question end to end, whatever happens, and a journal of what was answered and why.

`Kernel.predict` is what the contest's server calls. It gives the question its time, drives a `Solver` with the events
of the engine, and returns an int64 answer: the decided vote, the vote so far, or the fallback. It never raises, because
the contest writes its submission only after the last question and one exception would lose all of them.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.contests import ContestProfile
from fastmath.answers.prompts import render_prompt
from fastmath.inference.clock import ClockRules, allot
from fastmath.inference.driver import Driver
from fastmath.inference.engines import Engine, Sampling
from fastmath.inference.gateway import SUBMISSION_SCHEMA
from fastmath.inference.solver import Solver, SolverRules

logger = logging.getLogger(__name__)

GRACE_SECONDS = 2.0
"""How long after a question's deadline an event loop that has not answered is given up."""


@dataclass(frozen=True)
class QuestionRecord:
    """One line of the journal.

    Attributes:
        votes: answers in the order in which they were given.
        samples: samples started.
        tokens: generated tokens, those of aborted samples included.
        seconds: from the call to the answer.
        share_seconds, deadline_seconds: what the clock allotted, from the call.
        elapsed_seconds: of the contest, at the answer.
        error: what was caught around the question, None as a rule.
    """

    id: str
    answer: int
    reason: str
    votes: list[int]
    samples: int
    tokens: int
    seconds: float
    share_seconds: float
    deadline_seconds: float
    elapsed_seconds: float
    error: str | None


@dataclass
class Kernel:
    """Answers the questions of one contest, one after another.

    Attributes:
        start_engine: loads the model; called by the first question, which has no deadline of the gateway's.
        profile: the contest; samples vote on what `contest_answer` reads from them.
        system_prompt: text of the recipe's system prompt, None for none.
        sampling: how samples are drawn.
        rules: how a vote is decided.
        clock: how the time is divided.
        journal: JSONL file to which every answer is appended.
        started: when the contest began, by `time.monotonic`; None takes the first call.
    """

    start_engine: Callable[[], Engine]
    profile: ContestProfile
    system_prompt: str | None
    sampling: Sampling
    rules: SolverRules
    clock: ClockRules
    journal: Path
    started: float | None = None
    _engine: Engine | None = None
    _answered: int = 0

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
        solver, error = self._make_solver(), None
        try:
            self._require_engine()
            # Loading a model takes minutes of the contest, which are not the first question's alone.
            solver = self._make_solver()
            self._solve(text, solver)
        except KeyboardInterrupt:
            raise
        except BaseException as caught:
            logger.exception("question %s failed; the vote so far is answered", name)
            error = f"{type(caught).__name__}: {caught}"[:500]
        self._answered += 1
        record = self._make_record(name, solver, called, error)
        self._write_journal(record)
        return pl.DataFrame({"id": [record.id], "answer": [record.answer]}, schema=SUBMISSION_SCHEMA)

    def _make_solver(self) -> Solver:
        return Solver(self.rules, allot(self.clock, self._elapsed(), self._answered))

    def _solve(self, question: str, solver: Solver) -> None:
        engine = self._require_engine()
        prompt = render_prompt(engine.tokenizer, question, self.system_prompt)
        driver = Driver(engine, solver, prompt, self.sampling, self.profile, f"q{self._answered}", self._elapsed)
        left = max(solver.allotment.deadline - self._elapsed(), 0.0)
        engine.run(driver.run(), timeout=left + GRACE_SECONDS)

    def _require_engine(self) -> Engine:
        if self._engine is None:
            self._engine = self.start_engine()
        return self._engine

    def _make_record(self, identifier: str, solver: Solver, called: float, error: str | None) -> QuestionRecord:
        allotment = solver.allotment
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
            error=error or next(iter(solver.errors.values()), None),
        )

    def _write_journal(self, record: QuestionRecord) -> None:
        try:
            with self.journal.open("a") as file:
                file.write(json.dumps(asdict(record)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # A full disk must not cost the answer as well.
            logger.exception("the answer %d to %s could not be journaled", record.answer, record.id)

    def _elapsed(self) -> float:
        return time.monotonic() - (self.started or 0.0)


def _scalar(value: Any) -> Any:
    """The one value of a polars or pandas Series, empty text for none; anything else as it is."""
    return next(iter(value.to_list()), "") if hasattr(value, "to_list") else value

"""The contest kernel: it answers one question at a time, whatever happens, and keeps a journal of answers and reasons.

The contest's server calls `Kernel.predict`, which allots time to the question, runs a `Solver` on the events of the
engine, and returns an int64 answer: the decided vote, the vote so far, or the fallback. It never raises and never waits
past the question's deadline: the contest writes its submission only after the last question, and a single exception
would lose all answers. While an engine is being replaced the question's own clock goes on: what is decided is answered.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any, TypeVar

import polars as pl

from fastmath.answers.contests import ContestProfile
from fastmath.engine.errors import describe_error, name_error
from fastmath.engine.supervision import MAX_FAILURES, REAL_TIME, EngineKeeper, EngineLostError, Time, run_bounded
from fastmath.engine.vllm import Engine, Sampling
from fastmath.kernel.driver import Driver
from fastmath.kernel.journal import Journal, QuestionRecord, hash_text
from fastmath.kernel.questions import make_prompt, read_text
from fastmath.kernel.solver import Solver, SolverRules
from fastmath.kernel.submission import SUBMISSION_SCHEMA
from fastmath.kernel.watch import SHORTEST_WAIT, Watch
from fastmath.policies.clock import ClockRules, TimeLeft, tell_time
from fastmath.policies.plan import History, Plan, Policy
from fastmath.policies.public import CannotBeOvertaken

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

JOURNAL_SECONDS = 0.4
"""Longest wait for a slow disk within a question's time, in seconds."""
JOURNAL_GRACE_SECONDS = 0.25
"""Longest wait for a slow disk after a question's deadline or shortly before it, in seconds."""
LOADING_SHARE = 0.5
"""Longest wait of the first call for the engine, as a share of the contest's time limit.

Later calls wait no longer than their question's own clock.
"""


@dataclass
class Kernel:
    """Answers the questions of one contest, one after another.

    Attributes:
        keeper: starts and restarts the engine; it starts in the first call, for which the gateway sets no limit.
        profile: the contest, which decides which integer a sample votes for (`contest_answer`).
        system_prompt: text of the recipe's system prompt; None = no system prompt.
        sampling: sampling parameters.
        rules: harvest, weight of harvested votes, and fallback answer.
        policy: rule that plans every question.
        clock: time limit and expected number of questions.
        journal: journal of all answers; a question that it holds, by its id and text, gets the same answer again.
        samples: largest number of samples per question.
        slowdown: batch size at which an engine step takes twice as long, see `fastmath.policies.plan.Policy.plan`.
        hang_seconds: how long a live engine may generate no token before it is replaced, in seconds.
        started: time at which the contest began, as read from `time.now()`; None = the time of the first call.
        time: clock and threads; tests use a simulated time.
    """

    keeper: EngineKeeper
    profile: ContestProfile
    system_prompt: str | None
    sampling: Sampling
    rules: SolverRules
    policy: Policy
    clock: ClockRules
    journal: Journal
    samples: int = 16
    slowdown: float = 24.0
    hang_seconds: float = 60.0
    started: float | None = None
    time: Time = REAL_TIME
    _calls: int = 0
    _has_outage: bool = False
    _history: History = field(default_factory=History)
    _solver: Solver = field(init=False)
    _failures: list[str] = field(default_factory=list)
    _latest_elapsed: float = 0.0
    _decided_at: float | None = None
    _gaps: list[float] = field(default_factory=list)
    _watch: Watch | None = None

    def __post_init__(self) -> None:
        if self.journal.elapsed:  # the time before a restart counts as used
            began = self.time.now() - self.journal.elapsed
            self.started = began if self.started is None else min(began, self.started)

    def predict(self, id_: Any, question: Any = "", *_: Any) -> pl.DataFrame:
        """Answer one question; raises nothing but a Ctrl-C.

        Args:
            id_: id of the question, in any form that `read_text` accepts.
            question: text of the question, likewise. Further columns, such as a known answer, are ignored.

        Returns:
            One row of `id` (String) and `answer` (Int64).
        """
        self._failures = []
        name = self._guard("?", lambda: read_text(id_), "")
        answer = self._guard(name, lambda: self._answer(name, question), self.rules.fallback_answer)
        return pl.DataFrame({"id": [name], "answer": [answer]}, schema=SUBMISSION_SCHEMA)

    def _guard(self, name: str, work: Callable[[], Result], otherwise: Result) -> Result:
        """The result of `work`, or `otherwise` if it raises anything but a Ctrl-C in the main thread."""
        try:
            return work()
        except BaseException as caught:
            # The contest's server calls from another thread, where an interrupt does not come from a person.
            if isinstance(caught, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            logger.error("question %.100s: %s", name, describe_error(caught))
            self._note_failure(caught)
            return otherwise

    def _answer(self, name: str, question: Any) -> int:
        self.started = self.time.now() if self.started is None else self.started
        called = self._elapsed()
        text = self._guard(name, lambda: read_text(question), "")
        text_hash = hash_text(text)
        known = self.journal.answers.get((name, text_hash))
        self._calls += 1
        if self._calls == 1 and (known is None or len(self.journal.answers) < self.clock.questions):
            # Loading takes minutes, and a restarted kernel may already know the answer to its first question.
            self._guard(name, self._load_engine, None)
        if known is not None:
            return known
        if self._decided_at is not None:
            self._gaps.append(called - self._decided_at)
        self._has_outage = False
        self._solver = self._make_solver()
        for attempt in range(MAX_FAILURES):
            if self._guard(name, partial(self._attempt_answer, text, attempt), False):
                break
        answer = self._guard(name, self._best_answer, self.rules.fallback_answer)
        self._decided_at = min(self._elapsed(), self._solver.allotment.deadline)
        self.journal.answers[name, text_hash] = answer
        self._history = self._guard(name, self._extend_history, self._history)
        self._guard(name, lambda: self._write(self._make_record(name, text_hash, answer, called)), None)
        return answer

    def _best_answer(self) -> int:
        return self._solver.best_answer if self._solver.answer is None else self._solver.answer.answer

    def _extend_history(self) -> History:
        # The wait for another engine says nothing of how long this contest's questions take.
        return self._history if self._has_outage else self._history.add(self._solver.outcome(self._elapsed()))

    def _make_solver(self) -> Solver:
        elapsed, answered = self._elapsed(), len(self.journal.answers)
        # Journal and server also take time between questions; that time must not be allotted to any question.
        gaps = max(self.clock.questions - answered, 0) * (median(self._gaps) if self._gaps else 0.0)
        kept = min(gaps, 0.9 * max(self.clock.limit_seconds - elapsed, 0.0))
        time = tell_time(replace(self.clock, limit_seconds=self.clock.limit_seconds - kept), elapsed, answered)
        return Solver(self.rules, self._plan(time))

    def _plan(self, time: TimeLeft) -> Plan:
        """The policy's plan; all samples and an even share of the time if it has none."""
        work = (time, self.samples, self.slowdown, self._history)
        plan = self._guard("?", lambda: self.policy.plan(*work), None)
        return CannotBeOvertaken().plan(*work) if plan is None else plan

    def _load_engine(self) -> None:
        """Wait for the engine in the first call, which has no limit; it is started again if that fails or hangs."""
        for attempt in range(MAX_FAILURES):
            patience = LOADING_SHARE * self.clock.limit_seconds - self._elapsed()
            try:
                self.keeper.require(max(patience, 0.0))
                return
            except TimeoutError as error:  # it goes on loading while the questions come
                self._note_failure(error)
                return
            except EngineLostError as error:
                self._note_failure(error)
                self.keeper.replace(error, is_memory=attempt > 0)

    def _attempt_answer(self, question: str, attempt: int) -> bool:
        """Run the question once; return whether it is done. If not, an engine was lost and it may be tried again."""
        if attempt > 0:
            self._solver.lose_samples()
        try:
            engine = self._wait_for_engine()
            if engine is not None:
                self._drive(engine, question, attempt)
        except (EngineLostError, TimeoutError) as error:
            if self._solver.answer is None:  # otherwise only the aborted samples were slow to end
                self._has_outage = True
                self._note_failure(error)
                if isinstance(error, EngineLostError) or self._solver.pause(self._elapsed()) is None:
                    # vLLM does not say why its process died. A second loss within one question is taken for memory's.
                    self.keeper.replace(error, is_memory=attempt > 0)
                    self._watch = None
        return self._solver.answer is not None

    def _wait_for_engine(self) -> Engine | None:
        """The engine, once there is one; None = the question was answered before.

        Raises:
            EngineLostError: the engine did not start.
        """
        last, self._watch = self._watch, None
        if last is not None and last.is_stuck():  # the last question was answered without its event loop
            self.keeper.replace(TimeoutError("the engine's event loop is stuck"))
        self._has_outage = self._has_outage or not self.keeper.is_up
        while self._solver.pause(self._elapsed()) is None:
            with contextlib.suppress(TimeoutError):
                return self.keeper.require(max(self._solver.next_wakeup - self._elapsed(), SHORTEST_WAIT))
        return None

    def _drive(self, engine: Engine, question: str, attempt: int) -> None:
        name = f"q{self._calls - 1}.{attempt}" if attempt else f"q{self._calls - 1}"
        solver, watch = self._solver, Watch(self._solver, self._elapsed, self.time)
        self._watch = watch

        def work() -> None:
            sampling, hang = self.sampling, self.hang_seconds
            prompt = make_prompt(engine, question, self.system_prompt, sampling.token_budget)
            driver = Driver(engine, solver, prompt, sampling, self.profile, name, self._elapsed, hang, watch.tell)
            engine.run(driver.run())

        watch.wait(work)

    def _note_failure(self, error: BaseException) -> None:
        self._failures.append(name_error(error))

    def _write(self, record: QuestionRecord) -> None:
        left = self._solver.allotment.deadline - self._elapsed()
        patience = min(max(left, JOURNAL_GRACE_SECONDS), JOURNAL_SECONDS)
        try:
            run_bounded(lambda: self.journal.write(record), patience, self.time)
        except TimeoutError:
            logger.error("the disk has not taken the answer to %.100s within %.2f s", record.id, patience)

    def _make_record(self, name: str, text_hash: str, answer: int, called: float) -> QuestionRecord:
        solver = self._solver
        allotment, elapsed = solver.allotment, self._elapsed()
        errors = [*self._failures, *list(solver.errors.values())]
        return QuestionRecord(
            id=name,
            answer=answer,
            reason="error" if solver.answer is None else solver.answer.reason,
            votes=[vote.answer for vote in list(solver.votes)],
            samples=solver.started,
            # A copy, since a driver that was abandoned may still be counting.
            tokens=sum(list(solver.tokens.values())),
            seconds=round(elapsed - called, 4),
            share_seconds=round(allotment.target - allotment.start, 4),
            deadline_seconds=round(allotment.deadline - allotment.start, 4),
            elapsed_seconds=round(elapsed, 4),
            error=next(iter(errors), None),
            started_seconds=round(allotment.start, 4),
            bank_seconds=round(self._bank_seconds(elapsed), 4),
            text_hash=text_hash,
            engine_starts=self.journal.engine_starts + self.keeper.starts,
            vote_seconds=[round(at, 4) for at in list(solver.vote_times)],
        )

    def _bank_seconds(self, elapsed: float) -> float:
        """Seconds saved so far compared with an even share per question; negative = behind."""
        return len(self.journal.answers) * self.clock.even_share - elapsed

    def _elapsed(self) -> float:
        """Seconds since the contest began; never decreases, even if the clock goes back."""
        self._latest_elapsed = max(self._latest_elapsed, self.time.now() - (self.started or 0.0))
        return self._latest_elapsed

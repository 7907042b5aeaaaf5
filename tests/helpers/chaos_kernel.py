"""A disk, a policy, a parser and a vote in which anything goes wrong, and a note of when each question was decided."""

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from fastmath.kernel import driver
from fastmath.kernel.journal import Journal, QuestionRecord
from fastmath.kernel.solver import Action, Event, Solver
from fastmath.policies.plan import Plan, Policy
from helpers.chaos import Weather


class ChaosJournal(Journal):
    """A journal whose disk may be slow, stuck or full; `told` holds every record that it was given.

    Once `is_dead`, as when its process has been killed, it writes nothing more.
    """

    weather: Weather
    told: list[QuestionRecord]
    is_dead = False

    def write(self, record: QuestionRecord) -> None:
        self.told.append(record)
        super().write(record)

    def _append(self, lines: str) -> None:
        match self.weather.strikes("slow disk", "stuck disk", "full disk"):
            case "slow disk":
                self.weather.time.sleep(self.weather.seconds(10.0))
            case "stuck disk":
                self.weather.time.sleep(self.weather.seconds(3600.0))
            case _ if self.is_dead:
                return
            case "full disk":
                with self.path.open("a") as file:
                    file.write(lines[: len(lines) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
        if not self.is_dead:
            super()._append(lines)


@dataclass(frozen=True)
class FailingPolicy:
    """A policy that raises what it likes when the weather says so."""

    policy: Policy
    weather: Weather

    def plan(self, *arguments: Any) -> Plan:
        if self.weather.strikes("plan exception"):
            raise self.weather.error()
        return self.policy.plan(*arguments)


@contextmanager
def noting_what_is_due() -> Iterator[None]:
    """Keep in each solver, as `due`, when its votes and the time first decided the question, apart from its deadline.

    A vote decides by the stop rule at once, and by its posterior at the time at which that is enough.
    """
    vote = Solver._vote

    def vote_and_note(solver: Solver, event: Event, now: float) -> None:
        vote(solver, event, now)
        if getattr(solver, "due", math.inf) <= now or not solver.votes:
            return
        plan, ballot = solver.plan, solver.ballot
        by_time = math.inf if plan.patience is None else max(now, plan.patience.answer_at(ballot.posterior))
        solver.due = now if plan.stop is not None and plan.stop(ballot) is not None else by_time

    with patch.object(Solver, "_vote", vote_and_note):
        yield


@contextmanager
def failing_parser_and_vote(weather: Weather) -> Iterator[None]:
    """The parser and the vote, which raise what they like when the weather says so."""
    extract, handle = driver.extract_answer, Solver.handle

    def extract_or_fail(*arguments: Any, **options: Any) -> str | None:
        if weather.strikes("parser exception"):
            raise weather.error()
        return extract(*arguments, **options)

    def handle_or_fail(solver: Solver, event: Event, now: float) -> list[Action]:
        # A question has many events, the passing of time among them.
        fails = weather.rng.random() < 0.1 and weather.strikes("vote exception")
        if fails and weather.rng.random() < 0.5:
            raise weather.error()
        actions = handle(solver, event, now)
        if fails:
            raise weather.error()
        return actions

    with patch.object(driver, "extract_answer", extract_or_fail), patch.object(Solver, "handle", handle_or_fail):
        yield

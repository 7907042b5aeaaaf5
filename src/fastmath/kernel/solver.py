"""One question as a state machine: events in, actions out, without a clock, an engine or an event loop.

A driver passes each event with the time at which it happened, carries out the returned actions, and calls again at
`Solver.next_wakeup` at the latest. The `Plan` of a policy (`fastmath.policies.adaptive`) says what decides a question;
this module holds what is common to all policies: waves of samples, weights, harvest and the deadline.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from fastmath.policies.clock import Allotment
from fastmath.policies.plan import Outcome, Plan
from fastmath.policies.voting import MAX_WEIGHT, Ballot, Vote, leading_answer, settle


@dataclass(frozen=True)
class SolverRules:
    """Harvest, weight of harvested votes, and fallback answer.

    Attributes:
        fallback_answer: answer to a question for which no sample has voted.
        harvest_seconds: how long before a question's deadline the samples that are still running are cut off and asked
            for their answers, in seconds; 0 disables this.
        harvest_weight: weight of a vote from a sample that was cut off; a sample that ended by itself weighs 1.
    """

    fallback_answer: int = 0
    harvest_seconds: float = 0.0
    harvest_weight: float = 0.5


End = Literal["ended", "harvested"]


@dataclass(frozen=True)
class Grew:
    """A running sample has generated `tokens` tokens so far."""

    sample: int
    tokens: int


@dataclass(frozen=True)
class Finished:
    """A sample has ended.

    Attributes:
        sample: number of the sample within the question.
        tokens: number of tokens that it generated.
        answer: its answer; None = it gave none, or reached its token budget before it did.
        end: `ended` = by itself or at its token budget; `harvested` = it was cut off and asked for its answer.
    """

    sample: int
    tokens: int
    answer: int | None
    end: End = "ended"


@dataclass(frozen=True)
class Failed:
    """A sample has failed and casts no vote; `error` is the reason."""

    sample: int
    error: str


class TimePassed:
    """Nothing has happened except that time has passed."""


Event = Grew | Finished | Failed | TimePassed


@dataclass(frozen=True)
class Start:
    """Start these samples."""

    samples: tuple[int, ...]


@dataclass(frozen=True)
class Abort:
    """Stop these samples; they no longer vote, but their tokens are still counted."""

    samples: tuple[int, ...]


@dataclass(frozen=True)
class Harvest:
    """Cut off these samples, close their reasoning and let them give their answers."""

    samples: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """Answer the question; always the last action. `reason` is what decided it, such as `lead` or `deadline`."""

    answer: int
    reason: str


Action = Start | Abort | Harvest | Answer


@dataclass
class Solver:
    """The state of one question.

    Attributes:
        rules: harvest, weight of harvested votes, and fallback answer.
        plan: samples, time and stop rules of this question.
        ballot: votes so far.
        tokens: sample → number of its tokens so far.
        errors: sample → reason why it failed.
        answer: the last action; None = the question is still open.
        started: number of samples started so far.
        vote_times: time of each vote, in seconds since the contest began.
    """

    rules: SolverRules
    plan: Plan
    ballot: Ballot = field(default_factory=Ballot)
    tokens: dict[int, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    answer: Answer | None = None
    started: int = 0
    vote_times: list[float] = field(default_factory=list)
    _live: set[int] = field(default_factory=set)
    _waves: list[int] = field(init=False)
    _wave_is_owed: bool = True
    _harvested: bool = False
    _answer_at: float = math.inf

    def __post_init__(self) -> None:
        self._waves = [size for size in (self.plan.first, self.plan.second) if size > 0]

    @property
    def allotment(self) -> Allotment:
        """Start, even share and deadline of the question."""
        return self.plan.allotment

    @property
    def votes(self) -> list[Vote]:
        """Votes so far, in the order in which they were given."""
        return self.ballot.votes

    @property
    def tally(self) -> dict[int, float]:
        """Summed weight of each answer so far."""
        return self.ballot.tally

    @property
    def best_answer(self) -> int:
        """The leading answer so far, or the fallback answer without votes."""
        leader = leading_answer(self.tally)
        return self.rules.fallback_answer if leader is None else leader

    @property
    def next_wakeup(self) -> float:
        """Next time at which an action is due even if no sample reports anything, in seconds since contest start."""
        due = self.answer_due
        return due if self._harvested or not self._live else min(due, self._harvest_at)

    @property
    def answer_due(self) -> float:
        """Time at which the question is answered even if no sample reports anything, in seconds since contest start."""
        return min(self._answer_at, self.allotment.deadline)

    @property
    def _harvest_at(self) -> float:
        """Time at which live samples are cut off; infinite if this is disabled or would come at the start."""
        at = self.allotment.deadline - self.rules.harvest_seconds
        return at if self.rules.harvest_seconds > 0 and at > self.allotment.start else math.inf

    def outcome(self, now: float) -> Outcome:
        """Figures of this question for the history that later questions are planned by."""
        start = self.allotment.start
        return Outcome(now - start, self.vote_times[0] - start if self.vote_times else None)

    def begin(self, now: float) -> list[Action]:
        """Start the question at time `now` and return the first actions."""
        return self._act(now)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Record an event that happened at time `now` and return the actions due; none after the answer.

        Patience does not lapse at a sample's end but at the next wake-up, which may be due at once: samples that end
        together, as those of one engine step do, are counted together.
        """
        self._record(event, now)
        # A growing sample changes nothing but its token count; what is due by time alone has its own wake-up.
        is_idle = isinstance(event, Grew) and now < self.next_wakeup
        return [] if is_idle else self._act(now, is_patient=isinstance(event, Finished))

    def pause(self, now: float) -> Answer | None:
        """Answer if that is due at time `now`, and start nothing, as there is no engine; None = it stays open."""
        if self.answer is None:
            decided = self._decide(now)
            if decided is None and not self._live and not self._samples_to_come(now):
                decided = self._conclude()
            if decided is not None:
                self._finish(decided)
        return self.answer

    def lose_samples(self) -> None:
        """Forget the live samples, whose engine was lost; half as many, at least one, are started in their place."""
        if self._live and self.answer is None:
            self._waves.insert(0, max(1, len(self._live) // 2))
            self._live.clear()
            self._wave_is_owed = True

    def _record(self, event: Event, now: float) -> None:
        match event:
            case Grew(sample, tokens):
                self.tokens[sample] = tokens
            case Finished(sample):
                self.tokens[sample] = event.tokens
                # A sample that was aborted no longer votes.
                if sample in self._live:
                    self._vote(event, now)
                self._live.discard(sample)
            case Failed(sample, error):
                self.errors[sample] = error
                self._live.discard(sample)

    def _vote(self, event: Finished, now: float) -> None:
        weight = self.rules.harvest_weight if event.end == "harvested" else MAX_WEIGHT
        vote = None if event.answer is None else Vote(event.answer, weight)
        self.ballot.add(vote, event.tokens)
        if vote is None:
            return
        self.vote_times.append(now)
        if self.plan.patience is not None:
            self._answer_at = self.plan.patience.answer_at(self.ballot.posterior)

    def _act(self, now: float, is_patient: bool = False) -> list[Action]:
        if self.answer is not None:
            return []
        decided = self._decide(now, is_patient)
        if decided is None and self._live and now >= self._harvest_at and not self._harvested:
            self._harvested = True
            return [Harvest(tuple(sorted(self._live)))]
        actions = self._start_wave(now) if decided is None else []
        if actions or self._live:
            return actions if decided is None else self._finish(decided)
        return self._finish(decided or self._conclude())

    def _conclude(self) -> Answer:
        return Answer(self.best_answer, "all samples" if self.tally else "no votes")

    def _finish(self, decided: Answer) -> list[Action]:
        self.answer = decided
        aborted = tuple(sorted(self._live))
        self._live.clear()
        return [Abort(aborted), decided] if aborted else [decided]

    def _decide(self, now: float, is_patient: bool = False) -> Answer | None:
        if self.tally:
            reason = self.plan.stop(self.ballot) if self.plan.stop else None
            if reason is None and self.plan.risk is not None:
                reason = settle(self.ballot, self._pending(now), self.plan.risk)
            if reason is None and now >= self._answer_at and not is_patient:
                reason = "clock"
            if reason is not None:
                return Answer(self.best_answer, reason)
        return Answer(self.best_answer, "deadline") if now >= self.allotment.deadline else None

    def _pending(self, now: float) -> float:
        """Largest total weight of the votes that may still come."""
        live = len(self._live) * (self.rules.harvest_weight if self._harvested else MAX_WEIGHT)
        return live + self._samples_to_come(now) * MAX_WEIGHT

    def _samples_to_come(self, now: float) -> int:
        """Largest number of samples that may still be started; a wave that is owed is started at any time."""
        if self._harvested:
            return 0
        owed = self._wave_is_owed or not (self._live or self.tally)
        return sum(self._waves) if now < self.plan.second_until else sum(self._waves[: int(owed)])

    def _start_wave(self, now: float) -> list[Action]:
        if not self._waves or self._harvested or not self._wants_wave(now):
            return []
        samples = tuple(range(self.started, self.started + self._waves.pop(0)))
        self.started += len(samples)
        self._live.update(samples)
        self._wave_is_owed = False
        return [Start(samples)]

    def _wants_wave(self, now: float) -> bool:
        if self._wave_is_owed or not (self._live or self.tally):
            return True  # the first wave, or one in place of samples that were lost or gave no answer
        split = len(self.votes) >= 2 and self.ballot.posterior < self.plan.split
        return split and now < self.plan.second_until

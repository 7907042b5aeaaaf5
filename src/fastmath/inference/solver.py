"""One question as a state machine: events in, actions out, no clock, no engine and no event loop of its own.

Whoever drives it (vLLM's AsyncLLM in the kernel, a heap and a virtual clock in a replay) passes events with the time at
which they happened, carries out the actions, and comes back at `Solver.next_wakeup` at the latest. Samples start in
waves: the next one as soon as the live samples can no longer decide the vote between them.
"""

from dataclasses import dataclass, field

from fastmath.inference.clock import Allotment
from fastmath.inference.voting import (
    Vote,
    can_be_decided,
    count_votes,
    decide,
    leading_answer,
    leading_weights,
    posterior_of_lead,
)

FIRST_VOTE_PACE = 0.75
"""Pace of the contest, see `Allotment.pace`, at and below which a question's first vote is answered."""


@dataclass(frozen=True)
class SolverRules:
    """How a question is decided.

    Attributes:
        waves: sizes of the waves in which samples start.
        stop_posterior: probability at which the vote counts as decided while the contest is on schedule.
        patience: part of the time to the target during which no less than that is accepted.
        fallback_answer: answered when no sample has voted.
    """

    waves: tuple[int, ...]
    stop_posterior: float
    patience: float
    fallback_answer: int


@dataclass(frozen=True)
class Grew:
    """A sample has `tokens` tokens by now."""

    sample: int
    tokens: int


@dataclass(frozen=True)
class Finished:
    """A sample ended with `tokens` tokens; `answer` is None where it gave none."""

    sample: int
    tokens: int
    answer: int | None


@dataclass(frozen=True)
class Failed:
    """A sample ended without a result; `error` says why."""

    sample: int
    error: str


@dataclass(frozen=True)
class TimePassed:
    """Nothing happened but the clock."""


Event = Grew | Finished | Failed | TimePassed


@dataclass(frozen=True)
class Start:
    """Start these samples."""

    samples: tuple[int, ...]


@dataclass(frozen=True)
class Abort:
    """Stop these samples; their tokens so far still count."""

    samples: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """The question is answered; the last action there is."""

    answer: int
    reason: str


Action = Start | Abort | Answer


@dataclass
class Solver:
    """The state of one question.

    Attributes:
        rules: how it is decided.
        allotment: until when.
        votes: in the order in which the samples finished.
        tokens: sample → its tokens so far.
        answer: the last action, None before it.
    """

    rules: SolverRules
    allotment: Allotment
    votes: list[Vote] = field(default_factory=list)
    tokens: dict[int, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    answer: Answer | None = None
    _live: set[int] = field(default_factory=set)
    _waves_started: int = 0

    @property
    def started(self) -> int:
        """Number of samples started so far."""
        return sum(self.rules.waves[: self._waves_started])

    @property
    def unstarted(self) -> int:
        """Number of samples that may still be started."""
        return sum(self.rules.waves[self._waves_started :])

    @property
    def tally(self) -> dict[int, int]:
        """The vote so far."""
        return count_votes(self.votes)

    @property
    def best_answer(self) -> int:
        """What would be answered now."""
        leader = leading_answer(self.tally)
        return self.rules.fallback_answer if leader is None else leader

    @property
    def next_wakeup(self) -> float:
        """Time at which the state changes even if no sample does anything."""
        return time_to_answer(posterior_of_lead(*leading_weights(self.tally)), self.rules, self.allotment)

    def begin(self, now: float) -> list[Action]:
        """The first actions, at time `now`."""
        return self._act(now)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in what happened at time `now`; nothing is left to do once the question is answered."""
        self._record(event)
        return self._act(now)

    def _record(self, event: Event) -> None:
        match event:
            case Grew(sample, tokens):
                self.tokens[sample] = tokens
            case Finished(sample, tokens, answer):
                self.tokens[sample] = tokens
                # What a sample says after its abortion does not count any more.
                if sample in self._live and answer is not None:
                    self.votes.append(Vote(answer))
                self._live.discard(sample)
            case Failed(sample, error):
                self.errors[sample] = error
                self._live.discard(sample)

    def _act(self, now: float) -> list[Action]:
        if self.answer is not None:
            return []
        decided = self._decide(now)
        if decided is not None:
            self.answer = decided
            aborted = tuple(sorted(self._live))
            self._live.clear()
            return [Abort(aborted), decided] if aborted else [decided]
        return self._start_waves(now)

    def _decide(self, now: float) -> Answer | None:
        tally = self.tally
        decision = decide(tally, len(self._live) + self.unstarted, self.rules.stop_posterior)
        if decision is not None:
            return Answer(decision.answer, decision.reason)
        if now >= self.allotment.deadline:
            return Answer(self.best_answer, "deadline")
        if not self._live and not self.unstarted:
            return Answer(self.best_answer, "all samples" if tally else "no votes")
        if now >= self.next_wakeup:
            return Answer(self.best_answer, "clock")
        return None

    def _start_waves(self, now: float) -> list[Action]:
        samples: list[int] = []
        while self.unstarted and self._wants_wave(now):
            size = self.rules.waves[self._waves_started]
            wave = range(self.started, self.started + size)
            self._waves_started += 1
            self._live.update(wave)
            samples += wave
        return [Start(tuple(samples))] if samples else []

    def _wants_wave(self, now: float) -> bool:
        if not self._live:
            return True
        # Samples that start late finish too late, and slow down those that run.
        asked = certainty_asked(self.rules, self.allotment.pace)
        in_time = now < self.allotment.target
        return in_time and not can_be_decided(self.tally, len(self._live), self.unstarted, asked)


def certainty_asked(rules: SolverRules, pace: float) -> float:
    """Posterior at which a vote counts as decided from its start on, given how the contest stands.

    On schedule it is `rules.stop_posterior`. Behind it falls in a straight line to one half, the first vote, so that
    quick questions save what long ones need before there is nothing left to share.

    Example: stop at 0.85, pace 0.875, half of the way from 1 to 0.75: 0.5 + (0.85 - 0.5) / 2 = 0.675.
    """
    on_schedule = min(max((pace - FIRST_VOTE_PACE) / (1 - FIRST_VOTE_PACE), 0.0), 1.0)
    return 0.5 + on_schedule * (rules.stop_posterior - 0.5)


def time_to_answer(posterior: float, rules: SolverRules, allotment: Allotment) -> float:
    """Time at which a leader of this posterior is answered although samples are still running.

    The certainty that is waited for falls in a straight line from `certainty_asked`, when `rules.patience` of the
    way to the target has passed, to one half at the target; a vote without a leader waits for the deadline.

    Example: certainty 0.95, patience 0.5, start 0 s, target 10 s: one vote against none has posterior 0.75 and is
    answered at 5 + 5 * (0.95 - 0.75) / (0.95 - 0.5) = 7.2 s; three against none (0.9375) at 5.1 s.
    """
    if posterior <= 0.5:
        return allotment.deadline
    asked = certainty_asked(rules, allotment.pace)
    if posterior >= asked:
        return allotment.start
    missing = (asked - posterior) / (asked - 0.5)
    patient_until = allotment.start + rules.patience * (allotment.target - allotment.start)
    return patient_until + missing * (allotment.target - patient_until)

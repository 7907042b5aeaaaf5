"""What a policy sees of a contest, and the plan that it makes for the next question."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fastmath.policies.clock import Allotment, TimeLeft
from fastmath.policies.voting import Ballot

Stop = Callable[[Ballot], str | None]
"""Why a vote is decided, whatever samples are still running; None where it is not."""


@dataclass(frozen=True)
class Outcome:
    """What one question has shown.

    Attributes:
        seconds: that it took.
        first_vote_seconds: until its first vote, None where there was none.
        opening: whether its first three votes agreed, None where there were fewer.
    """

    seconds: float
    first_vote_seconds: float | None
    opening: bool | None


@dataclass(frozen=True)
class History:
    """What the contest's earlier questions have shown, in sums.

    Attributes:
        first_votes: questions that had a vote.
        seconds_to_first_votes: until then, and the whole time of questions without one: the mean wait for a first vote
            is their quotient (maximum likelihood of an exponential wait that is sometimes cut off).
        openings: questions that had three votes.
        unanimous: of them, those whose first three votes agreed.
    """

    first_votes: int = 0
    seconds_to_first_votes: float = 0.0
    openings: int = 0
    unanimous: int = 0

    def add(self, outcome: Outcome) -> "History":
        """The history after one more question."""
        voted = outcome.first_vote_seconds is not None
        waited = outcome.first_vote_seconds if outcome.first_vote_seconds is not None else outcome.seconds
        return History(
            self.first_votes + voted,
            self.seconds_to_first_votes + waited,
            self.openings + (outcome.opening is not None),
            self.unanimous + (outcome.opening is True),
        )


@dataclass(frozen=True)
class Patience:
    """The certainty asked of a vote: `certainty` until `patient_until`, from there in a straight line to one half.

    At one half any leader will do: it has been reached at `lapsed_at`. Times in seconds since the contest began.
    """

    certainty: float
    patient_until: float
    lapsed_at: float

    def answer_at(self, posterior: float) -> float:
        """Time at which a leader of this posterior is answered; infinite for none.

        Example: certainty 0.95 until 5 s, lapsed at 10 s: one vote against none has posterior 0.75 and is answered at
        5 + 5 * (0.95 - 0.75) / (0.95 - 0.5) = 7.2 s; three against none, 0.9375, at 5.1 s.
        """
        if posterior <= 0.5:
            return math.inf
        if posterior >= self.certainty:
            return -math.inf
        if math.isinf(self.patient_until):
            return math.inf
        missing = (self.certainty - posterior) / (self.certainty - 0.5)
        return self.patient_until + missing * (self.lapsed_at - self.patient_until)


@dataclass(frozen=True)
class Plan:
    """How one question is decided.

    Attributes:
        allotment: its time.
        first: samples that start at once.
        second: samples that start where the vote is split, or where the first have all ended without one.
        split: posterior below which two votes or more count as split.
        second_until: time after which a split vote starts no more.
        stop: decides by the votes alone; None decides by none.
        patience: decides by votes and time; None asks nothing of time but the deadline.
        provable: whether a leader that cannot be overtaken any more is answered.
    """

    allotment: Allotment
    first: int
    second: int = 0
    split: float = 0.5
    second_until: float = -math.inf
    stop: Stop | None = None
    patience: Patience | None = None
    provable: bool = False


class Policy(Protocol):
    """Plans questions."""

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        """Plan the next question.

        Args:
            time: how the contest stands.
            samples: most samples of a question.
            slowdown: a step of the engine with b live samples takes 1 + b / slowdown times as long as one with none.
            history: what the earlier questions have shown.
        """

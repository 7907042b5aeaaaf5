"""Input and output of a policy: the history of a contest, and the plan for its next question."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fastmath.policies.clock import Allotment, TimeLeft
from fastmath.policies.voting import Ballot

Stop = Callable[[Ballot], str | None]
"""Stop rule: the reason why a vote is decided while samples are still running, None if it is not decided."""


@dataclass(frozen=True)
class Outcome:
    """Figures of one question that help to plan later ones.

    Attributes:
        seconds: time that the question took, in seconds.
        first_vote_seconds: time until its first vote, in seconds; None = no vote.
    """

    seconds: float
    first_vote_seconds: float | None


@dataclass(frozen=True)
class History:
    """Sums over the `Outcome` of the contest's earlier questions.

    Attributes:
        first_votes: number of questions with a vote.
        seconds_to_first_votes: seconds until the first vote, or the whole time of a question without one, summed.
            Divided by `first_votes` it is the mean wait for a first vote (the maximum-likelihood estimate for an
            exponential wait that is sometimes cut off).
    """

    first_votes: int = 0
    seconds_to_first_votes: float = 0.0

    def add(self, outcome: Outcome) -> "History":
        """The history with one more question."""
        voted = outcome.first_vote_seconds is not None
        waited = outcome.first_vote_seconds if outcome.first_vote_seconds is not None else outcome.seconds
        return History(self.first_votes + voted, self.seconds_to_first_votes + waited)


@dataclass(frozen=True)
class Patience:
    """How long a leader waits for further votes: the less, the likelier it stays ahead.

    Attributes:
        start: when the question began, in seconds since the contest began.
        lapse: seconds after which any leader is answered, however narrow its lead; infinite = it waits for its votes.
    """

    start: float
    lapse: float

    def answer_at(self, posterior: float) -> float:
        """Time at which a leader of this posterior is answered, in seconds since the contest began; a tie never is.

        Example: start 5 s, lapse 10 s: one vote against none has posterior 0.75 and is answered at
        5 + 10 * 2 * (1 - 0.75) = 10 s; three votes against none, posterior 0.9375, at 6.25 s.
        """
        return math.inf if posterior <= 0.5 else self.start + self.lapse * 2 * (1 - posterior)


@dataclass(frozen=True)
class Plan:
    """Samples, time and stop rules of one question.

    Attributes:
        allotment: start, even share and deadline of the question.
        first: number of samples that start at once.
        second: number of samples that start later, if the vote is split or the first samples all end without a vote.
        split: posterior below which a vote of at least two samples counts as split.
        second_until: time from which a split vote starts no more samples, in seconds since the contest began.
        stop: rule that decides by the votes alone; None = no such rule.
        patience: rule that decides by votes and time; None = only the deadline limits the time.
        risk: a leader is answered once the chance that the samples to come overturn it is not above this, see
            `fastmath.policies.voting.settle`; 0 = once that is impossible; None = no such rule.
    """

    allotment: Allotment
    first: int
    second: int = 0
    split: float = 0.5
    second_until: float = -math.inf
    stop: Stop | None = None
    patience: Patience | None = None
    risk: float | None = None


class Policy(Protocol):
    """A rule that plans every question of a contest."""

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        """Plan the next question.

        Args:
            time: time and questions left in the contest.
            samples: largest number of samples per question.
            slowdown: batch size at which an engine step takes twice as long as one with no samples: with b live samples
                it takes 1 + b / slowdown times as long.
            history: sums over the earlier questions.
        """

"""The vote of one question: who leads, and whether the samples still to come can or will change that.

Decisions are pure functions of a tally, a mapping from answer to weight in the order in which the answers were first
given. 0 is an answer like any other; a sample without an answer casts no vote and is only missing from the
samples still to come.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

Tally = Mapping[int, float]
"""Answer → summed weight, in the order in which the answers were first given."""

MAX_WEIGHT = 1.0
"""Weight of a sample that ended its reasoning by itself; no vote weighs more."""


@dataclass(frozen=True)
class Vote:
    """One sample's answer and what it weighs."""

    answer: int
    weight: float = MAX_WEIGHT


@dataclass
class Ballot:
    """The vote of one question as it stands.

    Attributes:
        votes: in the order in which they were given.
        tally: their sums by answer.
        finished: samples that have ended, those without an answer among them.
    """

    votes: list[Vote] = field(default_factory=list)
    tally: dict[int, float] = field(default_factory=dict)
    finished: int = 0

    def add(self, vote: Vote | None) -> None:
        """Count a sample that has ended; None gave no answer.

        Raises:
            ValueError: its weight is not above 0 and at most `MAX_WEIGHT`.
        """
        self.finished += 1
        if vote is not None:
            self.votes.append(vote)
            _count(self.tally, vote)

    @property
    def posterior(self) -> float:
        """See `posterior_of_lead`; one half without votes."""
        return posterior_of_lead(*leading_weights(self.tally))


def count_votes(votes: Iterable[Vote]) -> dict[int, float]:
    """Sum the weights by answer, keeping the order in which the answers were first given.

    Raises:
        ValueError: a weight that is not above 0 and at most `MAX_WEIGHT`.

    Example: votes for 0, 7, 0 give `{0: 2.0, 7: 1.0}`.
    """
    tally: dict[int, float] = {}
    for vote in votes:
        _count(tally, vote)
    return tally


def _count(tally: dict[int, float], vote: Vote) -> None:
    if not 0 < vote.weight <= MAX_WEIGHT:
        raise ValueError(f"a vote for {vote.answer} weighs {vote.weight}; want more than 0 and at most {MAX_WEIGHT}")
    tally[vote.answer] = tally.get(vote.answer, 0.0) + vote.weight


def leading_answer(tally: Tally) -> int | None:
    """The answer of most weight; of equals the one given first; None without votes."""
    return max(tally, key=tally.__getitem__, default=None)


def leading_weights(tally: Tally) -> tuple[float, float]:
    """Weights of the leader and of the runner-up; 0 where there is none."""
    first = second = 0.0
    for weight in tally.values():
        if weight > first:
            first, second = weight, first
        elif weight > second:
            second = weight
    return first, second


@lru_cache(maxsize=4096)
def posterior_of_lead(leader: float, runner_up: float) -> float:
    r"""Probability that the leader's share against the runner-up alone exceeds one half, given a uniform prior.

    With weights `a` and `b` the share is Beta(a+1, b+1) distributed, and P(share > 1/2) = I(1/2; b+1, a+1), the
    regularised incomplete beta function (Aggarwal et al. 2023, Adaptive-Consistency). For whole weights it equals the
    chance of at most `a` heads in `a+b+1` tosses of a fair coin.

    Example: 2 against 0: (C(3,0) + C(3,1) + C(3,2)) / 2^3 = 7/8 = 0.875; 0.5 against 0: 1 - (1/2)^1.5 = 0.646.
    """
    # Exactly one half: a tie is no lead, not even by a rounding error.
    return 0.5 if leader == runner_up else _incomplete_beta_at_half(runner_up + 1.0, leader + 1.0)


def _incomplete_beta_at_half(a: float, b: float) -> float:
    """I(1/2; a, b) by its series in x^a (1-x)^b / (a B(a, b)); DLMF 8.17.8: all terms positive, ratio below 1/2."""
    if a < b:  # the series converges faster where the mean lies above one half
        return 1.0 - _incomplete_beta_at_half(b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a + 1.0) - math.lgamma(b) - (a + b) * math.log(2.0)
    term = total = 1.0
    count = 0
    while term > 1e-16 * total:
        term *= 0.5 * (a + b + count) / (a + 1.0 + count)
        total += term
        count += 1
    return math.exp(logarithm) * total


def cannot_be_overtaken(tally: Tally, pending: float) -> bool:
    """Whether the leader wins however the weight that is still `pending` is given.

    A rival given earlier than the leader wins a tie, one given later or not at all loses it.
    """
    leader = leading_answer(tally)
    if leader is None:
        return False
    answers = list(tally)
    earlier = answers[: answers.index(leader)]
    later = answers[answers.index(leader) + 1 :]
    return (
        all(tally[rival] + pending < tally[leader] for rival in earlier)
        and all(tally[rival] + pending <= tally[leader] for rival in later)
        and pending <= tally[leader]
    )

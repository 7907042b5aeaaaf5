"""The vote of one question: which answer leads, and whether the remaining samples can or will change that.

Decisions are pure functions of a tally, which maps each answer to its summed weight in the order in which the answers
were first given. 0 is an answer like any other. A sample that ends without an answer casts no vote; it only leaves
fewer votes to come.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

Tally = Mapping[int, float]
"""Answer → summed weight, in the order in which the answers were first given."""

MAX_WEIGHT = 1.0
"""Weight of the vote of a sample that ended by itself, and the largest weight of any vote."""


@dataclass(frozen=True)
class Vote:
    """One sample's answer and the weight of its vote, above 0 and at most `MAX_WEIGHT`."""

    answer: int
    weight: float = MAX_WEIGHT


@dataclass
class Ballot:
    """The votes of one question so far.

    Attributes:
        votes: votes in the order in which they were given.
        tally: summed weight of each answer.
        finished: number of samples that have ended, including those without an answer.
    """

    votes: list[Vote] = field(default_factory=list)
    tally: dict[int, float] = field(default_factory=dict)
    finished: int = 0

    def add(self, vote: Vote | None) -> None:
        """Count a sample that has ended.

        Args:
            vote: the sample's vote; None = it gave no answer.

        Raises:
            ValueError: the weight is not above 0, or is above `MAX_WEIGHT`.
        """
        self.finished += 1
        if vote is not None:
            self.votes.append(vote)
            _count(self.tally, vote)

    @property
    def posterior(self) -> float:
        """Probability that the leader stays ahead, see `posterior_of_lead`; one half without votes."""
        return posterior_of_lead(*leading_weights(self.tally))


def count_votes(votes: Iterable[Vote]) -> dict[int, float]:
    """Sum the weights by answer, keeping the order in which the answers were first given.

    Raises:
        ValueError: a weight is not above 0, or is above `MAX_WEIGHT`.

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
    """The answer with the most weight, in a tie the one that was given first; None without votes."""
    return max(tally, key=tally.__getitem__, default=None)


def leading_weights(tally: Tally) -> tuple[float, float]:
    """Weights of the leader and of the runner-up, 0 for one that does not exist."""
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
    # Exactly one half: rounding must not turn a tie into a lead.
    return 0.5 if leader == runner_up else _incomplete_beta_at_half(runner_up + 1.0, leader + 1.0)


def _incomplete_beta_at_half(a: float, b: float) -> float:
    """I(1/2; a, b) by DLMF 8.17.8: x^a (1-x)^b / (a B(a, b)) times a series of positive terms, ratio tending to 1/2."""
    if a < b:  # the series converges faster if the mean, a / (a + b), is above one half
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
    """Whether the leader wins whatever answers the pending votes give.

    In a tie the answer that was given first wins, so an earlier rival has to stay strictly behind.

    Args:
        tally: the vote so far.
        pending: largest total weight of the votes still to come.
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

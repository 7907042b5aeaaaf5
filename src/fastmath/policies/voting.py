"""The vote of one question: which answer leads, and whether the remaining samples can or will change that.

Decisions are pure functions of a tally, which maps each answer to its summed weight in the order in which the answers
were first given. 0 is an answer like any other. A sample that ends without an answer casts no vote; it only leaves
fewer votes to come.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

SPREAD_EXPONENT = 3
"""Power of the spread of lengths with which the chance of an overturn grows, see `settle`."""

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
        longest: length of the longest sample that has ended, in tokens.
        shortest_vote: length of the shortest sample with a vote, in tokens; infinite without votes.
    """

    votes: list[Vote] = field(default_factory=list)
    tally: dict[int, float] = field(default_factory=dict)
    finished: int = 0
    longest: int = 0
    shortest_vote: float = math.inf

    def add(self, vote: Vote | None, tokens: int = 0) -> None:
        """Count a sample that has ended.

        Args:
            vote: the sample's vote; None = it gave no answer.
            tokens: its length; 0 = unknown.

        Raises:
            ValueError: the weight is not above 0, or is above `MAX_WEIGHT`.
        """
        self.finished += 1
        self.longest = max(self.longest, tokens)
        if vote is not None:
            self.votes.append(vote)
            self.shortest_vote = min(self.shortest_vote, tokens)
            _count(self.tally, vote)

    @property
    def spread(self) -> float:
        """How many times as long as the shortest sample with a vote the longest ended one is; 1 if that is unknown."""
        return self.longest / self.shortest_vote if 0 < self.shortest_vote < math.inf else 1.0

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


@lru_cache(maxsize=65536)
def chance_of_overturn(leader: float, runner_up: float, pending: float) -> float:
    r"""Probability that the pending votes put the runner-up ahead, if each of them goes to one of the two.

    The runner-up's share is unknown, with the uniform prior of `posterior_of_lead`. So y of m pending votes are for it
    with the beta-binomial probability C(m, y) B(b+1+y, a+1+m-y) / B(b+1, a+1), where a and b are the two weights, and
    it overtakes where b + y > a + m - y. That every pending sample votes, and for one of the two, is the worst case.

    Args:
        leader: weight of the leader.
        runner_up: weight of the runner-up, at most that of the leader.
        pending: largest total weight of the votes still to come, counted as whole votes, rounded up.

    Example: 1 against 0 and two to come: both must be for the runner-up, 1/3 * 2/4 = 1/6.
    """
    votes = math.ceil(pending)
    fewest = math.floor((leader - runner_up + votes) / 2) + 1
    prior = _log_beta(runner_up + 1.0, leader + 1.0)
    return math.fsum(
        math.comb(votes, given) * math.exp(_log_beta(runner_up + 1.0 + given, leader + 1.0 + votes - given) - prior)
        for given in range(fewest, votes + 1)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def settle(ballot: Ballot, pending: float, risk: float) -> str | None:
    """Why the leader is safe from the pending votes; None if the chance that it is not is above `risk`, or in a tie.

    The chance is `chance_of_overturn` times the cube of the ballot's spread of lengths: where the first samples end far
    apart, those to come agree less with them than where all end together.

    Args:
        ballot: the vote so far.
        pending: largest total weight of the votes still to come.
        risk: largest chance that is taken; 0 = none.

    Example: four votes against none and twelve to come have a chance of 0.009. With samples of 1,000 to 1,200 tokens it
    counts as 0.009 * 1.2^3 = 0.016, with samples of 1,000 to 2,000 tokens as 0.072.
    """
    if cannot_be_overtaken(ballot.tally, pending):
        return "cannot be overtaken"
    leader, runner_up = leading_weights(ballot.tally)
    # A chance of 0 leaves a tie possible, which may go to the runner-up.
    if risk <= 0 or leader <= runner_up:
        return None
    chance = chance_of_overturn(leader, runner_up, pending) * ballot.spread**SPREAD_EXPONENT
    return "unlikely to be overtaken" if chance <= risk else None

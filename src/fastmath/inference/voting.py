"""The vote of one question: who leads, and whether the samples still to come can or will change that.

Everything here is a pure function of a tally, a mapping from answer to weight in the order in which the answers were
first given. 0 is an answer like any other; a sample without an answer casts no vote and is only missing from the
samples still to come.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Tally = Mapping[int, float]
"""Answer → summed weight, in the order in which the answers were first given."""

MAX_WEIGHT = 1.0
"""Weight of a sample that ended its reasoning by itself; no vote weighs more."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Vote:
    """One sample's answer and what it weighs."""

    answer: int
    weight: float = MAX_WEIGHT


@dataclass(frozen=True)
class Decision:
    """The answer of a decided vote and why it counts as decided."""

    answer: int
    reason: str


def count_votes(votes: Iterable[Vote]) -> dict[int, float]:
    """Sum the weights by answer, keeping the order in which the answers were first given.

    Raises:
        ValueError: a weight that is not above 0 and at most `MAX_WEIGHT`.

    Example: votes for 0, 7, 0 give `{0: 2.0, 7: 1.0}`.
    """
    tally: dict[int, float] = {}
    for vote in votes:
        if not 0 < vote.weight <= MAX_WEIGHT:
            raise ValueError(
                f"a vote for {vote.answer} weighs {vote.weight}; want more than 0 and at most {MAX_WEIGHT}"
            )
        tally[vote.answer] = tally.get(vote.answer, 0.0) + vote.weight
    return tally


def leading_answer(tally: Tally) -> int | None:
    """The answer of most weight; of equals the one given first; None without votes."""
    return max(tally, key=tally.__getitem__, default=None)


def leading_weights(tally: Tally) -> tuple[float, float]:
    """Weights of the leader and of the runner-up; 0 where there is none."""
    first, second = [*sorted(tally.values(), reverse=True), 0.0, 0.0][:2]
    return first, second


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


def decide(tally: Tally, pending: float, stop_posterior: float) -> Decision | None:
    """Decide the vote if the leader cannot be overtaken, or leads with at least probability `stop_posterior`.

    Args:
        tally: the votes so far.
        pending: weight at most of the samples that run or have not been started.
        stop_posterior: probability, see `posterior_of_lead`, at which a vote counts as decided; at 1 none does.

    Example: `{7: 2}` with 14 pending is decided at 0.85, by 0.875, and undecided at 0.9.
    """
    leader = leading_answer(tally)
    if leader is None:
        return None
    if cannot_be_overtaken(tally, pending):
        return Decision(leader, "cannot be overtaken")
    if posterior_of_lead(*leading_weights(tally)) >= stop_posterior - _ROUNDING:
        return Decision(leader, "posterior")
    return None


def can_be_decided(tally: Tally, live: int, unstarted: int, stop_posterior: float) -> bool:
    """Whether the vote would be decided if every live sample voted for the leader.

    Where it would not, waiting for the live samples alone is in vain and more have to be started.
    """
    leader = leading_answer(tally)
    # Before the first vote any answer will do as the one that all live samples agree on.
    answer = 0 if leader is None else leader
    agreed = {**tally, answer: tally.get(answer, 0) + live}
    return agreed[answer] > 0 and decide(agreed, unstarted, stop_posterior) is not None

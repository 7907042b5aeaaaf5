"""The vote of one question: who leads, and whether the samples still to come can or will change that.

Everything here is a pure function of a tally, a mapping from answer to weight in the order in which the answers were
first given. 0 is an answer like any other; a sample without an answer casts no vote and is only missing from the
samples still to come.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Tally = Mapping[int, int]
"""Answer → summed weight, in the order in which the answers were first given."""


@dataclass(frozen=True)
class Vote:
    """One sample's answer and what it weighs."""

    answer: int
    weight: int = 1


@dataclass(frozen=True)
class Decision:
    """The answer of a decided vote and why it counts as decided."""

    answer: int
    reason: str


def count_votes(votes: Iterable[Vote]) -> dict[int, int]:
    """Sum the weights by answer, keeping the order in which the answers were first given.

    Raises:
        ValueError: a weight below 1.

    Example: votes for 0, 7, 0 give `{0: 2, 7: 1}`.
    """
    tally: dict[int, int] = {}
    for vote in votes:
        if vote.weight < 1:
            raise ValueError(f"a vote for {vote.answer} weighs {vote.weight}; want a positive integer")
        tally[vote.answer] = tally.get(vote.answer, 0) + vote.weight
    return tally


def leading_answer(tally: Tally) -> int | None:
    """The answer of most weight; of equals the one given first; None without votes."""
    return max(tally, key=tally.__getitem__, default=None)


def leading_weights(tally: Tally) -> tuple[int, int]:
    """Weights of the leader and of the runner-up; 0 where there is none."""
    first, second = [*sorted(tally.values(), reverse=True), 0, 0][:2]
    return first, second


def posterior_of_lead(leader: int, runner_up: int) -> float:
    r"""Probability that the leader's share against the runner-up alone exceeds one half, given a uniform prior.

    With `a` and `b` votes the share is Beta(a+1, b+1) distributed, and P(share > 1/2) equals the chance of at most
    `a` heads in `a+b+1` tosses of a fair coin (Aggarwal et al. 2023, Adaptive-Consistency).

    Example: 2 against 0: (C(3,0) + C(3,1) + C(3,2)) / 2^3 = 7/8 = 0.875.
    """
    tosses = leader + runner_up + 1
    return sum(math.comb(tosses, heads) for heads in range(leader + 1)) / 2**tosses


def cannot_be_overtaken(tally: Tally, pending: int) -> bool:
    """Whether the leader wins however the `pending` samples, of weight 1 each, vote.

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


def decide(tally: Tally, pending: int, stop_posterior: float) -> Decision | None:
    """Decide the vote if the leader cannot be overtaken, or leads with at least probability `stop_posterior`.

    Args:
        tally: the votes so far.
        pending: samples that run or have not been started.
        stop_posterior: probability, see `posterior_of_lead`, at which a vote counts as decided; at 1 none does.

    Example: `{7: 2}` with 14 pending is decided at 0.85, by 0.875, and undecided at 0.9.
    """
    leader = leading_answer(tally)
    if leader is None:
        return None
    if cannot_be_overtaken(tally, pending):
        return Decision(leader, "cannot be overtaken")
    if posterior_of_lead(*leading_weights(tally)) >= stop_posterior:
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

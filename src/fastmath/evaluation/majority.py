"""Majority votes of k samples, counted exactly over all the ways in which k of N recorded samples can be drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SAMPLES = 1_000
"""Largest N: every count of ways is at most 2^N, and a float64 holds 2^1023."""


@dataclass(frozen=True)
class VoteCounts:
    """The samples of one problem as far as they decide its votes; equal counts have equal chances.

    Attributes:
        right: number of samples for each right answer.
        wrong: number of samples for each wrong answer, from the most frequent one down.
        silent: number of samples without an answer.
    """

    right: tuple[int, ...]
    wrong: tuple[int, ...]
    silent: int

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        return sum(self.right) + sum(self.wrong) + self.silent


def chance_of_majority(votes: VoteCounts, k: int) -> float:
    r"""Chance that the most frequent answer among k of the N samples, drawn in random order, is right.

    A tie goes to the answer that was given first. In a random order each of the tied answers is that with the same
    chance, so a right answer that is tied with t others has 1 / (1 + t) of it. A sample without an answer does not
    vote, and draws without any vote are wrong.

    Let a right answer have n samples, c of them drawn. An answer of n_j samples, c or more, may have i < c of them
    drawn, in C(n_j, i) ways, or c of them, and then it is tied. All other samples, whose answers cannot reach c votes,
    and those without an answer may be drawn in any number: m of them. So the ways to draw k - c others stand in

        (1 + x)^m · Π_j (Σ_{i<c} C(n_j, i) x^i + y C(n_j, c) x^c)

    at x^(k-c) y^t for t ties. The chance is Σ_c C(n, c) Σ_t [x^(k-c) y^t] / (1 + t) / C(N, k). Every term is positive,
    so nothing cancels and float64 gives it to twelve digits.

    Example: two samples say 7, which is right, and one says 5. Two of the three are 7, 7 (won), or twice 7, 5 (tied):
    (1 + 1/2 + 1/2) / 3 = 2/3.

    Raises:
        ValueError: k is below 1 or above N, or N is above `MOST_SAMPLES`.
    """
    samples = votes.samples
    if not 1 <= k <= samples <= MOST_SAMPLES:
        raise ValueError(f"k is {k} of {samples} samples a problem; want 1 <= k <= samples <= {MOST_SAMPLES}")
    if k == samples:
        return _share_of_lead(votes)
    ways = 0.0
    for position, own in enumerate(votes.right):
        others = [*votes.right[:position], *votes.right[position + 1 :], *votes.wrong]
        least = max(1, k - (samples - own))  # of fewer votes the others are too few to fill k
        for drawn in range(least, min(own, k) + 1):
            ways += math.comb(own, drawn) * _count_wins(drawn, others, votes.silent, k - drawn)
    return min(1.0, ways / math.comb(samples, k))


def _share_of_lead(votes: VoteCounts) -> float:
    """The same for k = N, where there is one draw: the share of the right answers among those with the most votes."""
    most = max((*votes.right, *votes.wrong), default=0)
    return votes.right.count(most) / (votes.right + votes.wrong).count(most) if most else 0.0


def _count_wins(votes: int, others: Sequence[int], silent: int, degree: int) -> float:
    """Ways to draw `degree` other samples such that no answer has more than `votes`; those with t ties count 1/(1+t).

    Args:
        votes: number of votes for the right answer.
        others: number of samples of every other answer.
        silent: number of samples without an answer.
        degree: number of samples to draw besides those votes.
    """
    rivals = [count for count in others if votes <= min(count, degree)]
    pool = silent + sum(others) - sum(rivals)
    ways = np.zeros((min(len(rivals), degree // votes) + 1, degree + 1))  # [t, d]: t ties among d samples drawn
    ways[0] = _binomials(pool, degree + 1)
    for rival in rivals:
        ways = _add_rival(ways, _binomials(rival, votes + 1))
    return float((ways[:, degree] / np.arange(1, len(ways) + 1)).sum())


def _add_rival(ways: NDArray[np.float64], choices: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ways, (ties, degrees), with one rival more: `choices[i]` to draw i of its samples, the last of them a tie.

    Beyond the largest degree nothing is kept, and the largest number of ties cannot be exceeded below it.
    """
    degrees, tie = ways.shape[1], len(choices) - 1
    grown = np.zeros_like(ways)
    for drawn in range(min(tie, degrees)):
        grown[:, drawn:] += choices[drawn] * ways[:, : degrees - drawn]
    grown[1:, tie:] += choices[tie] * ways[:-1, : degrees - tie]
    return grown


def _binomials(samples: int, length: int) -> NDArray[np.float64]:
    """C(samples, i) for i from 0 to length - 1."""
    return np.array([float(math.comb(samples, drawn)) for drawn in range(length)])

"""Reward functions of the literature on shorter reasoning; each is meant to stand beside `accuracy` in a recipe.

What they have in common: brevity is rewarded among right answers, or in proportion to the share of right answers, so
that hard problems keep their room to think. This pass rate of a group, like every statistic here, leaves out the
completions that cannot be judged.

The pass rate is the same for all completions of a prompt. It has an effect where rewards are summed and then
normalised, or not scaled at all (`scale_rewards: none`). With TRL's `multi_objective_aggregation: normalize_then_sum`,
each reward is divided by its own standard deviation within the group, and a factor of the whole group cancels.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastmath.training.reward_base import GroupReward, Reward, Rollout, require_tokens


@dataclass
class LengthAmongRight(GroupReward):
    """Brevity among the right answers of a group, times its pass rate (DDCA, arXiv 2602.02099, equations 12 and 13).

    With z = (length - mean) / standard deviation over the right answers, and s the sigmoid of z, a right answer earns
    (mean of s over the right answers - s) · right / judged, and a wrong one 0. If all right answers are of one length,
    or none is right, every completion earns 0.

    The paper subtracts the mean of s, over the right answers alone, when it computes advantages. Here it stands in the
    reward, so that the rewards of a group sum to 0 and the group's mean, which TRL subtracts, changes nothing: a wrong
    answer's advantage from this reward is 0, and a short wrong answer is worth no more than a long one.

    Example: right answers of 10 and 30 tokens and a wrong one: z is -1 and 1, s is 0.2689 and 0.7311 with a mean of
    0.5, and the right ones earn 0.2311 · 2/3 = 0.1540 and -0.1540.
    """

    __name__: ClassVar[str] = "length_among_right"

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        scores = [1 / (1 + math.exp(-z)) for z in _standardise(group)]
        right = [score for rollout, score in zip(group, scores, strict=True) if rollout.correct]
        if not right:
            return [0.0] * len(group)
        mean, rate = statistics.fmean(right), _pass_rate(group)
        return [(mean - score) * rate if rollout.correct else 0.0 for rollout, score in zip(group, scores, strict=True)]


@dataclass
class LengthZAmongRight(GroupReward):
    """Correctness, scaled with the length among the right answers of a group (GRPO-LEAD, arXiv 2504.09696).

    With z = (length - mean) / standard deviation over the right answers, a right answer earns exp(-alpha · z) and a
    wrong one -1. If all right answers are of one length, they earn 1. It takes the place of `accuracy`. The paper's
    weights of the advantages by difficulty are left out.

    Example: with an `alpha` of 0.05, right answers of 10 and 30 tokens earn exp(0.05) = 1.0513 and exp(-0.05) = 0.9512.

    Attributes:
        alpha: strength of the length; 0 leaves correctness alone.
    """

    __name__: ClassVar[str] = "length_z_among_right"
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"`alpha` is {self.alpha}; want 0 or more, as less would reward length")

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        pairs = zip(group, _standardise(group), strict=True)
        return [math.exp(-self.alpha * z) if rollout.correct else -1.0 for rollout, z in pairs]


@dataclass
class SolveRateLength(GroupReward):
    """Penalty for length in proportion to the pass rate of the group (ALP, arXiv 2506.05256).

    Every completion, right or wrong, earns -(length / max_length) · max(right / judged, 1 / judged). The paper's floor
    of one right answer keeps a small price on length where no answer is right.

    Example: where three of four are right, 100 tokens earn -(100 / 400) · 3/4 = -0.1875 with a `max_length` of 400;
    where none is right, -(100 / 400) · 1/4 = -0.0625.

    Attributes:
        max_length: length that costs the whole pass rate, in tokens; usually TRL's `max_completion_length`.
    """

    __name__: ClassVar[str] = "solve_rate_length"
    max_length: int

    def __post_init__(self) -> None:
        require_tokens("max_length", self.max_length)

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        judged = sum(rollout.judged for rollout in group)
        rate = max(_pass_rate(group), 1 / judged) if judged else 0.0
        return [-rollout.length / self.max_length * rate for rollout in group]


@dataclass
class ShortestRight(GroupReward):
    """Penalty for the distance from the shortest right answer of the group (ShorterBetter, arXiv 2504.21370).

    Every completion earns -|length - target| / max_length, where the target is the length of the shortest right answer.
    If none is right, the target is the mean length of the judged completions. The paper's part for correctness is
    `accuracy`, with its own weight.

    Example: with a `max_length` of 100, right answers of 20 and 50 tokens earn 0 and -0.3, a wrong one of 10 tokens
    -0.1: a guess that is shorter than every right answer is too short.

    Attributes:
        max_length: distance that costs 1, in tokens; usually TRL's `max_completion_length`. The paper's code has 1,000.
    """

    __name__: ClassVar[str] = "shortest_right"
    max_length: int

    def __post_init__(self) -> None:
        require_tokens("max_length", self.max_length)

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        right = [rollout.length for rollout in group if rollout.correct]
        judged = [rollout.length for rollout in group if rollout.judged]
        if not judged:
            return [0.0] * len(group)
        target = min(right) if right else statistics.fmean(judged)
        return [-abs(rollout.length - target) / self.max_length for rollout in group]


@dataclass
class DifficultyBudget(GroupReward):
    """0.5 for a right answer within a limit that depends on the pass rate of the group (Laser-D, arXiv 2505.15612).

    The limit is `easy` from a pass rate of 2/3 on, `medium` from 1/3 on, and `hard` below. Wrong answers and longer
    right ones earn 0. The limits are fixed: the paper chooses them anew during the training, from a set of problems
    that it monitors, and this is left out.

    Example: with limits of 100, 200 and 400 tokens and two of four right, a right answer of 150 tokens earns 0.5; with
    three of four right it earns 0.

    Attributes:
        easy: limit where at least two thirds of the group are right, in tokens.
        medium: limit where at least one third is right, in tokens.
        hard: limit where fewer are right, in tokens.
    """

    __name__: ClassVar[str] = "difficulty_budget"
    easy: int
    medium: int
    hard: int

    def __post_init__(self) -> None:
        for name in ("easy", "medium", "hard"):
            require_tokens(name, getattr(self, name))

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        right = sum(rollout.correct for rollout in group)
        judged = sum(rollout.judged for rollout in group)
        # In whole numbers, so that the thirds are exact.
        limit = self.easy if 3 * right >= 2 * judged else self.medium if 3 * right >= judged else self.hard
        return [0.5 if rollout.correct and rollout.length <= limit else 0.0 for rollout in group]


@dataclass
class TighteningBudget(Reward):
    """1 for a right answer within a limit that is tightened in rounds, else 0 (ThinkPrune, arXiv 2504.01296).

    The limit in step t, counted from 0, is `limits[min(t // steps_each, last)]`. The step is the trainer's, so that a
    training that is resumed goes on with the same limit. With one limit it is the reward of DLER (arXiv 2510.15110).
    The papers cut completions off at the limit; here a longer one is sampled to its end and earns nothing.

    Example: with limits of 400 and 300 tokens and 50 steps each, a right answer of 350 tokens earns 1 up to step 49 and
    0 from step 50 on.

    Attributes:
        limits: the limits in the order of the rounds, falling, in tokens; the last one stays.
        steps_each: number of optimiser steps of one round.
    """

    __name__: ClassVar[str] = "tightening_budget"
    limits: Sequence[int]
    steps_each: int

    def __post_init__(self) -> None:
        if isinstance(self.limits, int | str) or not self.limits:
            raise ValueError(f"`limits` is {self.limits!r}; want a list of falling limits, such as [400, 300]")
        for limit in self.limits:
            require_tokens("limits", limit)
        if sorted(set(self.limits), reverse=True) != list(self.limits):
            raise ValueError(f"`limits` is {self.limits!r}; want each limit below the one before")
        if not isinstance(self.steps_each, int) or self.steps_each < 1:
            raise ValueError(f"`steps_each` is {self.steps_each!r}; want a positive number of steps")

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(rollout.correct and rollout.length <= self._limit(rollout.step)) for rollout in rollouts]

    def _limit(self, step: int) -> int:
        return self.limits[min(step // self.steps_each, len(self.limits) - 1)]


def _pass_rate(group: Sequence[Rollout]) -> float:
    """Share of right answers among the completions that can be judged; 0 where none can."""
    judged = sum(rollout.judged for rollout in group)
    return sum(rollout.correct for rollout in group) / judged if judged else 0.0


def _standardise(group: Sequence[Rollout]) -> list[float]:
    """(length - mean) / standard deviation, both over the right answers; 0 for the others and where all are equal.

    The deviation is divided by the number of answers, and not by one less, as in the published code of DDCA.
    """
    right = [rollout.length for rollout in group if rollout.correct]
    if len(set(right)) < 2:
        return [0.0] * len(group)
    mean, deviation = statistics.fmean(right), statistics.pstdev(right)
    return [(rollout.length - mean) / deviation if rollout.correct else 0.0 for rollout in group]

r"""Reward functions of GRPO, as callables for TRL's GRPOTrainer.

They are the paper's three (format, cosine, length within the group), plain accuracy, and two penalties for faults that
the recipe met in training: overlong and repetitive completions. Those of later papers on brevity are in
`fastmath.training.brevity_rewards`, and a recipe may name one of its own by its import path. Intended differences from
the published code: lengths are counted in tokens, the length reward compares the completions of one prompt, a trace
that was cut off has no answer, and the reference answer is the first argument of the verification. If the reference
answer cannot be used, all rewards of its completions are None, which TRL turns into an advantage of 0.

The overlong and the repetition penalty call TRL's own functions. The cosine reward does not: TRL's verifies each
completion itself, in the training process, by any box in the text.

A completion follows the prompt, which may have opened the reasoning with `<think>`. Where it ends, and in which part of
it the answer is read, is the recipe's choice (`grpo.rollouts`).
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from typing import ClassVar

from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

from fastmath.recipe.errors import SettingsError, suggest
from fastmath.recipe.grpo import RewardSettings
from fastmath.recipe.imports import import_class
from fastmath.training.brevity_rewards import (
    DifficultyBudget,
    LengthAmongRight,
    LengthZAmongRight,
    ShortestRight,
    SolveRateLength,
    TighteningBudget,
)
from fastmath.training.judge import Judge
from fastmath.training.reward_base import GroupReward, Reward, Rollout, require_tokens


@dataclass
class BoxedBeforeThinkEnd(Reward):
    r"""Format: 1 if the reasoning contains a non-empty box before `</think>`, else 0.

    Inference stops at `</think>`, so the answer has to come before it (write-up of the recipe; the published pattern
    also accepts an empty box and backtracks). Example: `so \boxed{7}.</think>` earns 1, `so 7.</think>\boxed{7}` 0.
    """

    __name__: ClassVar[str] = "boxed_before_think_end"

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(rollout.judgement.boxed) for rollout in rollouts]


@dataclass
class Accuracy(Reward):
    """1 for a correct answer, else 0."""

    __name__: ClassVar[str] = "accuracy"

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(rollout.correct) for rollout in rollouts]


@dataclass
class Cosine(Reward):
    """Correctness, scaled with the length by half a cosine ("Demystifying Long Chain-of-Thought", arXiv 2502.03373).

    With p = min(length / max_length, 1), a correct answer earns long + (short - long) · (1 + cos(π p)) / 2, falling
    from `correct_short` to `correct_long`. A wrong answer earns the same with `wrong_short` and `wrong_long`, so that
    it costs less after a long search.

    Example: at half of `max_length` a correct answer earns 0.1 + 0.9 · (1 + 0) / 2 = 0.55.

    Attributes:
        max_length: length, in tokens, above which the reward no longer changes.
        correct_short: reward of a correct answer as the length approaches 0.
        correct_long: reward of a correct answer of `max_length` tokens or more.
        wrong_short: reward of a wrong answer as the length approaches 0.
        wrong_long: reward of a wrong answer of `max_length` tokens or more.
    """

    __name__: ClassVar[str] = "cosine"
    max_length: int
    correct_short: float = 1.0
    correct_long: float = 0.1
    wrong_short: float = -1.0
    wrong_long: float = -0.1

    def __post_init__(self) -> None:
        require_tokens("max_length", self.max_length)

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [self._scale(rollout.correct, rollout.length) for rollout in rollouts]

    def _scale(self, correct: bool, length: int) -> float:
        short, long = (self.correct_short, self.correct_long) if correct else (self.wrong_short, self.wrong_long)
        return long + (short - long) * (1 + math.cos(math.pi * min(length / self.max_length, 1.0))) / 2


@dataclass
class GroupLength(GroupReward):
    """Brevity within the group of one prompt (Kimi k1.5, arXiv 2501.12599, section on the length penalty).

    With λ = 0.5 - (length - min) / (max - min) over the group's judged completions, a correct answer earns λ and a
    wrong one min(0, λ). If all lengths are equal, every completion earns 0.

    Example: correct answers of 10, 20 and 30 tokens earn 0.5, 0 and -0.5; a wrong one of 10 tokens earns 0.
    """

    __name__: ClassVar[str] = "group_length"

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        judged = [rollout.length for rollout in group if rollout.judged]
        if not judged or min(judged) == max(judged):
            return [0.0] * len(group)
        shortest, longest = min(judged), max(judged)
        rewards = [0.5 - (rollout.length - shortest) / (longest - shortest) for rollout in group]
        return [reward if rollout.correct else min(0.0, reward) for rollout, reward in zip(group, rewards, strict=True)]


@dataclass
class SoftOverlong(Reward):
    """Penalty that grows over the last tokens before the limit (DAPO, arXiv 2503.14476, equation 13; TRL's function).

    With n tokens it is 0 up to `max_length - margin`, then (max_length - margin - n) / margin, and -1 above
    `max_length`. It keeps completions from reaching the limit, where the answer is lost.

    Example: with a `max_length` of 100 and a `margin` of 20, 90 tokens earn (100 - 20 - 90) / 20 = -0.5.

    Attributes:
        max_length: length at which a completion is cut off, in tokens; usually TRL's `max_completion_length`.
        margin: number of tokens before `max_length` over which the penalty grows; at most `max_length`.
    """

    __name__: ClassVar[str] = "soft_overlong"
    max_length: int
    margin: int

    def __post_init__(self) -> None:
        if not 0 < self.margin <= self.max_length:
            raise ValueError(f"`margin` is {self.margin}; want 1 to `max_length`, {self.max_length} tokens")

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        punish = get_soft_overlong_punishment(self.max_length, self.margin)
        return punish(completion_ids=[rollout.token_ids for rollout in rollouts])


@dataclass
class Repetition(Reward):
    """Penalty for repetition ("Demystifying Long Chain-of-Thought", arXiv 2502.03373, C.2; TRL's function).

    It is the share of token n-grams that occurred earlier in the completion, times `max_penalty`.

    Example: 5 5 5 5 5 has four pairs, of which one is unique: (1 - 1/4) · -1 = -0.75.

    Attributes:
        ngram_size: length of the n-grams, in tokens.
        max_penalty: limit of the penalty, for a completion that only repeats itself; at most 0.
    """

    __name__: ClassVar[str] = "repetition"
    ngram_size: int = 20
    max_penalty: float = -1.0

    def __post_init__(self) -> None:
        if self.ngram_size < 1 or self.max_penalty > 0:
            raise ValueError(
                f"`ngram_size` is {self.ngram_size} and `max_penalty` {self.max_penalty}; want at least 1 and at most 0"
            )

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        punish = get_repetition_penalty_reward(self.ngram_size, self.max_penalty)
        return punish(completion_ids=[rollout.token_ids for rollout in rollouts])


KINDS = (
    *(BoxedBeforeThinkEnd, Cosine, GroupLength, Accuracy, SoftOverlong, Repetition),
    *(LengthAmongRight, SolveRateLength, ShortestRight, DifficultyBudget, TighteningBudget, LengthZAmongRight),
)
REWARDS: dict[str, type[Reward]] = {kind.__dict__["__name__"]: kind for kind in KINDS}
"""Reward functions by the name that a recipe uses."""


def build_rewards(settings: Sequence[RewardSettings], num_generations: int, judge: Judge | None = None) -> list[Reward]:
    """Make the reward functions of a recipe, in its order; all of them share one judge.

    Args:
        settings: names and parameters of the rewards.
        num_generations: number of completions per prompt.
        judge: the judge to share; None makes one with default limits.

    Raises:
        SettingsError: a reward is unknown, what an import path names cannot be imported or is no reward, or a parameter
            is unknown, missing or out of range.
    """
    judge = judge or Judge()
    return [_build_reward(item, judge, num_generations) for item in settings]


def _build_reward(settings: RewardSettings, judge: Judge, num_generations: int) -> Reward:
    kind = _find_kind(settings.name)
    shared = ("judge", "num_generations")
    parameters = [item for item in dataclasses.fields(kind) if item.init and item.name not in shared]
    known = [item.name for item in parameters]
    for name in settings.parameters:
        if name not in known:
            raise SettingsError(f"reward {settings.name!r} has no parameter {name!r}{suggest(name, known)}")
    for item in parameters:
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in settings.parameters:
            raise SettingsError(f"reward {settings.name!r} wants {item.name!r}; set it in its `parameters`")
    try:
        return kind(judge, num_generations, **settings.parameters)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"reward {settings.name!r}: {error}") from error


def _find_kind(name: str) -> type[Reward]:
    """The class of a reward, by its name in `REWARDS` or by its import path."""
    if ":" in name:
        return _import_kind(name)
    if name not in REWARDS:
        own = "; one of your own is named `package.module:ClassName`, with a colon"
        raise SettingsError(f"there is no reward {name!r}{own if '.' in name else suggest(name, REWARDS)}")
    return REWARDS[name]


def _import_kind(path: str) -> type[Reward]:
    """Import the class that `package.module:ClassName` names."""
    wanted = "a subclass of `fastmath.training.reward_base.Reward` that defines `score` or `score_group`"
    kind = import_class("reward", path, wanted, lambda member: issubclass(member, Reward))
    if not any("__name__" in base.__dict__ for base in kind.__mro__):
        raise SettingsError(f"reward {path!r} has no `__name__`; set this class variable to the name of its metrics")
    return kind

r"""Reward functions of GRPO, as callables for TRL's GRPOTrainer.

They are the paper's three (format, cosine, length within the group), plain accuracy, and two penalties for faults that
the recipe met in training: overlong and repetitive completions. Intended differences from the published code: lengths
are counted in tokens, the length reward compares the completions of one prompt, a trace that was cut off has no answer,
and the reference answer is the first argument of the verification. If the reference answer cannot be used, all rewards
of its completions are None, which TRL turns into an advantage of 0.

The overlong and the repetition penalty call TRL's own functions. The cosine reward does not: TRL's verifies each
completion itself, in the training process, by any box in the text.

A completion follows the prompt, which may have opened the reasoning with `<think>`. Where it ends, and in which part of
it the answer is read, is the recipe's choice (`grpo.rollouts`).
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

from fastmath.answers.judge import Judgement
from fastmath.recipe.errors import SettingsError, suggest
from fastmath.recipe.grpo import RewardSettings
from fastmath.training.judge import Judge, LogExtra, LogMetric

Completion: TypeAlias = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Rollout:
    """One completion as a reward function sees it.

    Attributes:
        judgement: its extracted answer and the result of the verification.
        token_ids: its tokens, with the stop token and without padding.
    """

    judgement: Judgement
    token_ids: Sequence[int]

    @property
    def length(self) -> int:
        """Number of tokens, the stop token included."""
        return len(self.token_ids)

    @property
    def correct(self) -> bool:
        """Whether the answer is known to be correct; False for one that cannot be judged."""
        return self.judgement.correct is True


@dataclass
class Reward(ABC):
    """Base class of the reward functions; TRL calls them with keyword arguments and logs them under `__name__`.

    Attributes:
        judge: judges the completions; all rewards of a training share one.
        num_generations: number of completions per prompt, which follow one another in a batch.
    """

    judge: Judge
    num_generations: int
    __name__: ClassVar[str]

    def __call__(
        self,
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]],
        answer: Sequence[object],
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **_: object,
    ) -> list[float | None]:
        """The reward of each completion in this process's batch; None for one that cannot be judged.

        Args:
            completions: B texts, or B conversations of one assistant turn.
            completion_ids: B lists of token ids, with the stop token and without padding.
            answer: B reference answers, the dataset's column `answer`.
            log_metric: TRL's function that logs a metric, passed on to the judge.
            log_extra: TRL's function that logs a column, passed on to the judge.
        """
        texts = [_text_of(completion) for completion in completions]
        judgements = self.judge.judge(texts, answer, log_metric, log_extra)
        rollouts = [Rollout(judgement, ids) for judgement, ids in zip(judgements, completion_ids, strict=True)]
        rewards = self.score(rollouts)
        return [None if item.correct is None else reward for item, reward in zip(judgements, rewards, strict=True)]

    @abstractmethod
    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        """The rewards of B completions; the value for a completion that cannot be judged is ignored."""


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
        if not isinstance(self.max_length, int) or self.max_length < 1:
            raise ValueError(f"`max_length` is {self.max_length!r}; want a positive number of tokens")

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [self._scale(rollout.correct, rollout.length) for rollout in rollouts]

    def _scale(self, correct: bool, length: int) -> float:
        short, long = (self.correct_short, self.correct_long) if correct else (self.wrong_short, self.wrong_long)
        return long + (short - long) * (1 + math.cos(math.pi * min(length / self.max_length, 1.0))) / 2


@dataclass
class GroupLength(Reward):
    """Brevity within the group of one prompt (Kimi k1.5, arXiv 2501.12599, section on the length penalty).

    With λ = 0.5 - (length - min) / (max - min) over the group's judged completions, a correct answer earns λ and a
    wrong one min(0, λ). If all lengths are equal, every completion earns 0.

    Example: correct answers of 10, 20 and 30 tokens earn 0.5, 0 and -0.5; a wrong one of 10 tokens earns 0.
    """

    __name__: ClassVar[str] = "group_length"

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        if len(rollouts) % self.num_generations:
            raise ValueError(
                f"a batch of {len(rollouts)} completions does not divide into groups of {self.num_generations}; set "
                "`per_device_train_batch_size` x `steps_per_generation` to a multiple of `num_generations`"
            )
        rewards: list[float] = []
        for start in range(0, len(rollouts), self.num_generations):
            rewards += _score_group(rollouts[start : start + self.num_generations])
        return rewards


def _score_group(group: Sequence[Rollout]) -> list[float]:
    judged = [rollout.length for rollout in group if rollout.judgement.correct is not None]
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


REWARDS: dict[str, type[Reward]] = {
    kind.__dict__["__name__"]: kind
    for kind in (BoxedBeforeThinkEnd, Cosine, GroupLength, Accuracy, SoftOverlong, Repetition)
}
"""Reward functions by the name that a recipe uses."""


def build_rewards(settings: Sequence[RewardSettings], num_generations: int, judge: Judge | None = None) -> list[Reward]:
    """Make the reward functions of a recipe, in its order; all of them share one judge.

    Args:
        settings: names and parameters of the rewards.
        num_generations: number of completions per prompt.
        judge: the judge to share; None makes one with default limits.

    Raises:
        SettingsError: a reward is unknown, or a parameter is unknown, missing or out of range.
    """
    judge = judge or Judge()
    return [_build_reward(item, judge, num_generations) for item in settings]


def _build_reward(settings: RewardSettings, judge: Judge, num_generations: int) -> Reward:
    kind = REWARDS.get(settings.name)
    if kind is None:
        raise SettingsError(f"there is no reward {settings.name!r}{suggest(settings.name, REWARDS)}")
    parameters = [item for item in dataclasses.fields(kind) if item.name not in ("judge", "num_generations")]
    known = [item.name for item in parameters]
    for name in settings.parameters:
        if name not in known:
            raise SettingsError(f"reward {settings.name!r} has no parameter {name!r}{suggest(name, known)}")
    for item in parameters:
        if item.default is dataclasses.MISSING and item.name not in settings.parameters:
            raise SettingsError(f"reward {settings.name!r} wants {item.name!r}; set it in its `parameters`")
    try:
        return kind(judge, num_generations, **settings.parameters)
    except ValueError as error:
        raise SettingsError(f"reward {settings.name!r}: {error}") from error


def _text_of(completion: Completion) -> str:
    return completion if isinstance(completion, str) else completion[-1]["content"]

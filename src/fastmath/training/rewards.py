r"""The rewards of GRPO, as callables that TRL's GRPOTrainer takes.

The paper's three (format, cosine, length within the group), plain accuracy, and two that guard against what the recipe
met, overlong and repetitive completions. They depart from the published code
on purpose: the length is counted in tokens, the group of the length reward is the completions of one prompt, an
unfinished trace has no answer, the reference is the first argument of the verification, and a reference that nothing
can be judged by makes every reward of its completions None, which TRL turns into an advantage of 0.

TRL's own overlong and repetition rewards stand behind ours. Its cosine does not: it verifies each completion itself, in
the training process, on whatever box the text holds.

A completion is the reasoning that follows the prompt's `<think>`, ending with `</think>` unless it was cut off.
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
from fastmath.recipe.sections import RewardSettings
from fastmath.training.judge import Judge, LogExtra, LogMetric

Completion: TypeAlias = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Rollout:
    """One completion as a reward sees it: its judgement, and its token ids with the end token."""

    judgement: Judgement
    token_ids: Sequence[int]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.token_ids)

    @property
    def correct(self) -> bool:
        """Whether the answer is known to be right."""
        return self.judgement.correct is True


@dataclass
class Reward(ABC):
    """Base of the rewards; TRL calls it by keyword and logs it under `__name__`."""

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
        """Reward of each completion of this process's batch; None where it cannot be judged.

        Args:
            completions: B texts, or B conversations of one assistant turn.
            completion_ids: B lists of token ids, the end token included, padding left out.
            answer: the dataset's column of reference answers, one a completion.
            log_metric: TRL's own, for the judge.
            log_extra: TRL's own, for the judge.
        """
        texts = [_text_of(completion) for completion in completions]
        judgements = self.judge.judge(texts, answer, log_metric, log_extra)
        rollouts = [Rollout(judgement, ids) for judgement, ids in zip(judgements, completion_ids, strict=True)]
        rewards = self.score(rollouts)
        return [None if item.correct is None else reward for item, reward in zip(judgements, rewards, strict=True)]

    @abstractmethod
    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        """Rewards of B completions; what it says of one that cannot be judged is not used."""


@dataclass
class BoxedBeforeThinkEnd(Reward):
    r"""Format: 1 where the reasoning holds a non-empty box before its `</think>`, else 0.

    Inference stops at `</think>`, so an answer has to stand before it (write-up of the recipe; the published pattern
    also takes an empty box and backtracks). Example: `so \boxed{7}.</think>` earns 1, `so 7.</think>\boxed{7}` 0.
    """

    __name__: ClassVar[str] = "boxed_before_think_end"

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(rollout.judgement.answer is not None) for rollout in rollouts]


@dataclass
class Accuracy(Reward):
    """1 for a correct answer, else 0."""

    __name__: ClassVar[str] = "accuracy"

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(rollout.correct) for rollout in rollouts]


@dataclass
class Cosine(Reward):
    """Correctness, scaled along half a cosine of the length ("Demystifying Long Chain-of-Thought", arXiv 2502.03373).

    With p = min(length / max_length, 1), a correct answer earns long + (short - long) · (1 + cos(π p)) / 2, falling
    from `correct_short` to `correct_long`; a wrong one the same between `wrong_short` and `wrong_long`, so that a
    wrong answer costs less after a long search.

    Example: at half of `max_length` a correct answer earns 0.1 + 0.9 · (1 + 0) / 2 = 0.55.

    Attributes:
        max_length: length in tokens from which the reward no longer changes.
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
    wrong one min(0, λ); where all lengths are equal everyone earns 0.

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
    """A penalty that grows over the last tokens before the limit (DAPO, arXiv 2503.14476, equation 13; TRL's own).

    With n tokens: 0 up to `max_length - margin`, then (max_length - margin - n) / margin, and -1 beyond `max_length`.
    It keeps completions from running into the limit, where the answer is lost.

    Example: a `max_length` of 100 and a `margin` of 20 charge 90 tokens (100 - 20 - 90) / 20 = -0.5.

    Attributes:
        max_length: tokens at which a completion is cut off, as a rule `max_completion_length`.
        margin: tokens before it over which the penalty grows.
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
    """A penalty for saying the same again ("Demystifying Long Chain-of-Thought", arXiv 2502.03373, C.2; TRL's own).

    The share of token n-grams that stood before in the completion, times `max_penalty`: from `max_penalty` to 0.

    Example: the pairs of 5 5 5 5 5 are four, one of them unique: (1 - 1/4) · -1 = -0.75.

    Attributes:
        ngram_size: tokens in one n-gram.
        max_penalty: of a completion that is nothing but repetition; at most 0.
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


def build_rewards(settings: Sequence[RewardSettings], num_generations: int, judge: Judge | None = None) -> list[Reward]:
    """The rewards that a recipe names, in its order, with one judge between them.

    Raises:
        SettingsError: an unknown reward, or a parameter that is unknown, missing or out of range.
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

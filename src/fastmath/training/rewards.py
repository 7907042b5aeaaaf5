r"""The rewards of GRPO, as callables that TRL's GRPOTrainer takes.

The paper's three (format, cosine, length within the group) and plain accuracy. They depart from the published code
on purpose: the length is counted in tokens, the group of the length reward is the completions of one prompt, an
unfinished trace has no answer, the reference is the first argument of the verification, and a reference that nothing
can be judged by makes every reward of its completions None, which TRL turns into an advantage of 0.

A completion is the reasoning that follows the prompt's `<think>`, ending with `</think>` unless it was cut off.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from fastmath.answers.extract import extract_answer
from fastmath.answers.prompts import THINK_END
from fastmath.answers.verify import verify_many
from fastmath.config import RewardSettings
from fastmath.recipes import SettingsError, suggest

Completion: TypeAlias = str | Sequence[Mapping[str, str]]
LogMetric: TypeAlias = Callable[[str, float], None]
LogExtra: TypeAlias = Callable[[str, list[Any]], None]
LengthUnit: TypeAlias = Literal["tokens", "characters"]
_LENGTH_UNITS = ("tokens", "characters")


@dataclass(frozen=True)
class Judgement:
    """What one completion is worth knowing by.

    Attributes:
        answer: the answer boxed before `</think>`; None where there is none or the trace is unfinished.
        correct: None where the reference answer cannot be judged by.
        finished: whether the reasoning was ended with `</think>`.
    """

    answer: str | None
    correct: bool | None
    finished: bool


@dataclass
class Judge:
    """Extracts and verifies each completion of a step once, for all the rewards that share it.

    TRL hands the same batch to one reward after the other; the judgements of the last batch are kept for that.
    """

    _batch: tuple[tuple[str, ...], tuple[str, ...]] | None = field(default=None, repr=False)
    _judgements: list[Judgement] = field(default_factory=list, repr=False)

    def judge(
        self,
        texts: Sequence[str],
        golds: Sequence[object],
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
    ) -> list[Judgement]:
        """Judge a batch; a new one is logged, as the shares `judge/…` and the column `extracted_answer`."""
        batch = tuple(texts), tuple(map(str, golds))
        if batch != self._batch:
            self._judgements = _judge(*batch)
            self._batch = batch
            _log(self._judgements, log_metric, log_extra)
        return self._judgements


def _judge(texts: Sequence[str], golds: Sequence[str]) -> list[Judgement]:
    answers = [extract_answer(text) for text in texts]
    verdicts = verify_many(list(zip(golds, answers, strict=True)))
    return [
        Judgement(answer, correct, finished=THINK_END in text)
        for text, answer, correct in zip(texts, answers, verdicts, strict=True)
    ]


def _log(judgements: Sequence[Judgement], log_metric: LogMetric | None, log_extra: LogExtra | None) -> None:
    if log_metric is not None and judgements:
        judged = [item.correct for item in judgements if item.correct is not None]
        log_metric("judge/cannot_judge", 1 - len(judged) / len(judgements))
        log_metric("judge/unfinished", sum(not item.finished for item in judgements) / len(judgements))
        if judged:
            log_metric("judge/correct", sum(judged) / len(judged))
    if log_extra is not None:
        log_extra("extracted_answer", [item.answer for item in judgements])


@dataclass
class Reward(ABC):
    """Base of the rewards; TRL calls it by keyword and logs it under `__name__`."""

    judge: Judge
    num_generations: int
    __name__: ClassVar[str]
    unit = "tokens"  # a field only where the length counts

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
        lengths = [len(item) for item in (completion_ids if self.unit == "tokens" else texts)]
        rewards = self.score(judgements, lengths)
        return [None if item.correct is None else reward for item, reward in zip(judgements, rewards, strict=True)]

    @abstractmethod
    def score(self, judgements: Sequence[Judgement], lengths: Sequence[int]) -> list[float]:
        """Rewards of B completions from their judgements and lengths; those that cannot be judged are ignored."""


@dataclass
class BoxedBeforeThinkEnd(Reward):
    r"""Format: 1 where the reasoning holds a non-empty box before its `</think>`, else 0.

    Inference stops at `</think>`, so an answer has to stand before it (write-up of the recipe; the published pattern
    also takes an empty box and backtracks). Example: `so \boxed{7}.</think>` earns 1, `so 7.</think>\boxed{7}` 0.
    """

    __name__: ClassVar[str] = "boxed_before_think_end"

    def score(self, judgements: Sequence[Judgement], lengths: Sequence[int]) -> list[float]:
        return [float(item.answer is not None) for item in judgements]


@dataclass
class Accuracy(Reward):
    """1 for a correct answer, else 0."""

    __name__: ClassVar[str] = "accuracy"

    def score(self, judgements: Sequence[Judgement], lengths: Sequence[int]) -> list[float]:
        return [float(item.correct is True) for item in judgements]


@dataclass
class Cosine(Reward):
    """Correctness, scaled along half a cosine of the length ("Demystifying Long Chain-of-Thought", arXiv 2502.03373).

    With p = min(length / max_length, 1), a correct answer earns long + (short - long) · (1 + cos(π p)) / 2, falling
    from `correct_short` to `correct_long`; a wrong one the same between `wrong_short` and `wrong_long`, so that a
    wrong answer costs less after a long search.

    Example: at half of `max_length` a correct answer earns 0.1 + 0.9 · (1 + 0) / 2 = 0.55.

    Attributes:
        max_length: length from which the reward no longer changes.
        unit: `tokens`; `characters` repeats the published code.
    """

    __name__: ClassVar[str] = "cosine"
    max_length: int
    unit: LengthUnit = "tokens"
    correct_short: float = 1.0
    correct_long: float = 0.1
    wrong_short: float = -1.0
    wrong_long: float = -0.1

    def __post_init__(self) -> None:
        _require_unit(self.unit)
        if not isinstance(self.max_length, int) or self.max_length < 1:
            raise ValueError(f"`max_length` is {self.max_length!r}; want a positive number of {self.unit}")

    def score(self, judgements: Sequence[Judgement], lengths: Sequence[int]) -> list[float]:
        return [self._scale(item.correct is True, length) for item, length in zip(judgements, lengths, strict=True)]

    def _scale(self, correct: bool, length: int) -> float:
        short, long = (self.correct_short, self.correct_long) if correct else (self.wrong_short, self.wrong_long)
        return long + (short - long) * (1 + math.cos(math.pi * min(length / self.max_length, 1.0))) / 2


@dataclass
class GroupLength(Reward):
    """Brevity within the group of one prompt (Kimi k1.5, arXiv 2501.12599, section on the length penalty).

    With λ = 0.5 - (length - min) / (max - min) over the group's judged completions, a correct answer earns λ and a
    wrong one min(0, λ); where all lengths are equal everyone earns 0.

    Example: correct answers of 10, 20 and 30 tokens earn 0.5, 0 and -0.5; a wrong one of 10 tokens earns 0.

    Attributes:
        unit: `tokens`; `characters` counts as the published code does.
    """

    __name__: ClassVar[str] = "group_length"
    unit: LengthUnit = "tokens"

    def __post_init__(self) -> None:
        _require_unit(self.unit)

    def score(self, judgements: Sequence[Judgement], lengths: Sequence[int]) -> list[float]:
        if len(judgements) % self.num_generations:
            raise ValueError(
                f"a batch of {len(judgements)} completions does not divide into groups of {self.num_generations}; set "
                "`per_device_train_batch_size` x `steps_per_generation` to a multiple of `num_generations`"
            )
        rewards: list[float] = []
        for start in range(0, len(judgements), self.num_generations):
            group = slice(start, start + self.num_generations)
            rewards += _score_group(judgements[group], lengths[group])
        return rewards


def _score_group(judgements: Sequence[Judgement], lengths: Sequence[int]) -> list[float]:
    judged = [length for item, length in zip(judgements, lengths, strict=True) if item.correct is not None]
    if not judged or min(judged) == max(judged):
        return [0.0] * len(lengths)
    shortest, longest = min(judged), max(judged)
    rewards = [0.5 - (length - shortest) / (longest - shortest) for length in lengths]
    return [reward if item.correct else min(0.0, reward) for item, reward in zip(judgements, rewards, strict=True)]


REWARDS: dict[str, type[Reward]] = {
    kind.__dict__["__name__"]: kind for kind in (BoxedBeforeThinkEnd, Cosine, GroupLength, Accuracy)
}


def build_rewards(settings: Sequence[RewardSettings], num_generations: int) -> list[Reward]:
    """The rewards that a recipe names, in its order, with one judge between them.

    Raises:
        SettingsError: an unknown reward, or a parameter that is unknown, missing or out of range.
    """
    judge = Judge()
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


def _require_unit(unit: str) -> None:
    if unit not in _LENGTH_UNITS:
        raise ValueError(f"`unit` is {unit!r}; want one of {', '.join(_LENGTH_UNITS)}")


def _text_of(completion: Completion) -> str:
    return completion if isinstance(completion, str) else completion[-1]["content"]

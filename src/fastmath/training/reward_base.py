"""Base classes of the reward functions: what a reward sees of a completion, and how TRL calls it.

A reward of one's own derives from `Reward`, or from `GroupReward` where it compares the completions of one prompt, and
a recipe names it by its import path (`fastmath.recipe.grpo.RewardSettings`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from transformers import TrainerState

from fastmath.answers.judge import Judgement
from fastmath.training.judge import Judge, LogExtra, LogMetric

Completion: TypeAlias = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Rollout:
    """One completion as a reward function sees it.

    Attributes:
        judgement: its extracted answer and the result of the verification.
        token_ids: its tokens, with the stop token and without padding.
        text: the decoded completion, without its prompt.
        gold: reference answer of its prompt.
        step: number of optimiser steps that were taken before it is rewarded; the first step has 0.
    """

    judgement: Judgement
    token_ids: Sequence[int]
    text: str
    gold: str
    step: int

    @property
    def length(self) -> int:
        """Number of tokens, the stop token included."""
        return len(self.token_ids)

    @property
    def correct(self) -> bool:
        """Whether the answer is known to be correct; False for one that cannot be judged."""
        return self.judgement.correct is True

    @property
    def judged(self) -> bool:
        """Whether the answer is known to be correct or known to be wrong."""
        return self.judgement.correct is not None


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
        trainer_state: TrainerState | None = None,
        **_: object,
    ) -> list[float | None]:
        """The reward of each completion in this process's batch; None for one that cannot be judged.

        Args:
            completions: B texts, or B conversations of one assistant turn.
            completion_ids: B lists of token ids, with the stop token and without padding.
            answer: B reference answers, the dataset's column `answer`.
            log_metric: TRL's function that logs a metric, passed on to the judge.
            log_extra: TRL's function that logs a column, passed on to the judge.
            trainer_state: the trainer's state, which counts the steps; None stands for the first step.
        """
        texts = [text_of(completion) for completion in completions]
        step = 0 if trainer_state is None else trainer_state.global_step
        judgements = self.judge.judge(texts, answer, log_metric, log_extra)
        parts = zip(judgements, completion_ids, texts, map(str, answer), strict=True)
        rollouts = [Rollout(*part, step) for part in parts]
        rewards = self.score(rollouts)
        return [reward if rollout.judged else None for rollout, reward in zip(rollouts, rewards, strict=True)]

    @abstractmethod
    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        """The rewards of B completions; the value for a completion that cannot be judged is ignored."""


@dataclass
class GroupReward(Reward):
    """Base class of the rewards that compare the completions of one prompt.

    Each process rewards its own completions, so a recipe with such a reward is refused where groups would be split
    between processes.
    """

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        size = self.num_generations
        if len(rollouts) % size:
            raise ValueError(
                f"a batch of {len(rollouts)} completions does not divide into groups of {size}; set "
                "`per_device_train_batch_size` x `steps_per_generation` to a multiple of `num_generations`"
            )
        groups = [rollouts[start : start + size] for start in range(0, len(rollouts), size)]
        return [reward for group in groups for reward in self.score_group(group)]

    @abstractmethod
    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        """The rewards of the completions of one prompt.

        A completion that cannot be judged (`Rollout.judged`) should not change the rewards of the others.
        """


def require_tokens(name: str, tokens: object) -> None:
    """Refuse a limit that is no positive number of tokens.

    Args:
        name: the parameter that was set to the limit.
        tokens: the limit.

    Raises:
        ValueError: it is no whole number, or below 1.
    """
    if not isinstance(tokens, int) or tokens < 1:
        raise ValueError(f"`{name}` is {tokens!r}; want a positive number of tokens")


def text_of(completion: Completion) -> str:
    """The text of a completion or of a prompt; of a conversation that of its last message."""
    return completion if isinstance(completion, str) else completion[-1]["content"]

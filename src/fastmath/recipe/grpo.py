"""The section `grpo` of a recipe."""

from typing import Any

from pydantic import Field

from fastmath.recipe.inference import ReadingSettings
from fastmath.recipe.section import Section
from fastmath.recipe.training import TrainingSettings


class RewardSettings(Section):
    """One reward function of GRPO.

    Attributes:
        name: key in `fastmath.training.rewards.REWARDS`, for example `cosine`.
        weight: factor of this reward in the sum of all rewards.
        parameters: arguments of the reward, for example `{max_length: 160}`; those without a default are required.
    """

    name: str
    weight: float = 1.0
    parameters: dict[str, Any] = Field(default_factory=dict)


class VerificationSettings(Section):
    """Limits of the worker processes that verify completions.

    A completion that exceeds a limit is not judged: all its rewards are None, and its advantage is 0.

    Attributes:
        workers: workers of each training process; None divides the machine's cores between these, at most 8 for each.
        cpu_seconds: CPU time allowed for one check, in seconds.
        memory_gib: memory that one worker may allocate on top of what it has after its imports, in GiB; a worker that
            needs more is replaced.
        deadline_seconds: wall time allowed for one batch, in seconds; completions not verified by then are not judged.
    """

    workers: int | None = Field(None, ge=1)
    cpu_seconds: float = Field(0.5, gt=0)
    memory_gib: float = Field(1.0, gt=0)
    deadline_seconds: float = Field(3.0, gt=0)


class GrpoSettings(TrainingSettings):
    """Stage 2, GRPO.

    Attributes:
        rewards: reward functions; their weighted sum is the reward of a completion. At least one.
        verification: limits of the processes that compare the completions' answers with the reference answers.
        rollouts: where the completions of the training end, and where the rewards read their answers.
        answers: how samples of the trained model, also when quantised, are evaluated.
        rehearsal: whether the largest step that can occur is tried before the first one, so that memory that does not
            suffice is found at once.
    """

    rewards: tuple[RewardSettings, ...] = Field(min_length=1)
    verification: VerificationSettings = VerificationSettings()
    rollouts: ReadingSettings = ReadingSettings()
    answers: ReadingSettings = ReadingSettings()
    rehearsal: bool = True

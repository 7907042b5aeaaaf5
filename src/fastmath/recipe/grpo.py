"""The section `grpo` of a recipe."""

from typing import Any, Self

from pydantic import Field, model_validator

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


class OversamplingSettings(Section):
    """Further prompts in the place of those whose completions all earn the same (DAPO, arXiv 2503.14476, section 3.2).

    Such a group has no spread: its advantages are 0, and the step learns nothing from it.

    Attributes:
        groups: groups with spread that are wanted in a generation batch of all processes together; None wants all.
        rounds: most further generations of a batch; each has as many prompts as the batch.
    """

    groups: int | None = Field(None, ge=1)
    rounds: int = Field(3, ge=1)


class PassRateSettings(Section):
    """Which prompts are trained on, by their pass rate: the share of the start model's samples that are right.

    Attributes:
        samples: samples per prompt, drawn before the training on the engine of `evaluate` as rollouts are drawn.
        above: prompts are left out up to this pass rate.
        below: prompts are left out from this pass rate on.
    """

    samples: int = Field(4, ge=2)
    above: float = Field(0.0, ge=0, lt=1)
    below: float = Field(1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _leave_something(self) -> Self:
        if not any(self.above < right / self.samples < self.below for right in range(self.samples + 1)):
            raise ValueError(
                f"no share of {self.samples} samples lies between `above` {self.above} and `below` {self.below}, so "
                "that no prompt is left; want wider bounds, or more samples"
            )
        return self


class GrpoSettings(TrainingSettings):
    """Stage 2, GRPO.

    Attributes:
        rewards: reward functions; their weighted sum is the reward of a completion. At least one.
        verification: limits of the processes that compare the completions' answers with the reference answers.
        rollouts: where the completions of the training end, and where the rewards read their answers.
        answers: how samples of the trained model, also when quantised, are evaluated.
        oversampling: how groups without spread are replaced; None trains on them, too.
        pass_rates: which prompts are left out by their pass rate; None measures none and leaves none out.
    """

    rewards: tuple[RewardSettings, ...] = Field(min_length=1)
    verification: VerificationSettings = VerificationSettings()
    rollouts: ReadingSettings = ReadingSettings()
    answers: ReadingSettings = ReadingSettings()
    oversampling: OversamplingSettings | None = None
    pass_rates: PassRateSettings | None = None

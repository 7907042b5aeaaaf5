"""The section `grpo` of a recipe."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from fastmath.recipe.inference import ReadingSettings
from fastmath.recipe.reward_sets import list_rewards
from fastmath.recipe.section import Section
from fastmath.recipe.training import TrainingSettings


class RewardSettings(Section):
    """One reward function of GRPO.

    Attributes:
        name: key in `fastmath.training.rewards.REWARDS`, for example `cosine`; or the import path of a reward of one's
            own, `package.module:ClassName`. That is a subclass of `fastmath.training.reward_base.Reward`, or of its
            `GroupReward`; the class variable `__name__` names its metrics, and its fields are its `parameters`. The
            module is imported wherever the recipe is checked and in each training process.
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


class ValidationSettings(Section):
    """Samples of problems that are not trained on, drawn from the policy while it trains.

    Attributes:
        every: steps between two validations; the first stands before the first step.
        samples: samples per problem.
        problems: number of problems, taken from the beginning of the validation set; None takes all.
        token_budget: most tokens per sample; None takes the smaller of `evaluate.token_budget` and
            `grpo.trainer.max_completion_length`.
    """

    every: int = Field(5, ge=1)
    samples: int = Field(4, ge=1)
    problems: int | None = Field(None, ge=2)
    token_budget: int | None = Field(None, ge=1)


class Limits(Section):
    """Two limits of one signal; None sets none.

    Attributes:
        warn: the guard warns beyond it.
        stop: the guard ends the training beyond it.
    """

    warn: float | None = None
    stop: float | None = None


class GuardSettings(Section):
    """When the guard of GRPO warns, and when it ends the training (`fastmath.training.guard`).

    Attributes:
        window: number of steps whose mean is compared; a validation counts by itself.
        validation: fall of the validation's pass@1 below the best so far.
        correct: fall of the share of right rollouts below the best window so far. A window has other prompts than the
            one before, so that this is noisy: with five steps of 16 prompts 0.1 is nothing.
        reward: fall of the reward below the best window so far, in standard deviations of a completion's reward.
        kl: mean KL divergence from the start, in nats per token.
        length: mean length of the completions, as a multiple of the first window's.
        clipped: rise of the share of completions that were cut off above the lowest window's so far.
        entropy: entropy of the policy, as a multiple of the first window's.
        flat: share of groups without spread.
        log_ratio: absolute log-ratio per token of policy and sampler, in nats.
    """

    window: int = Field(5, ge=1)
    validation: Limits = Limits(warn=0.05, stop=0.1)
    correct: Limits = Limits(warn=0.2, stop=0.35)
    reward: Limits = Limits(warn=0.5, stop=1.0)
    kl: Limits = Limits(warn=1.0, stop=5.0)
    length: Limits = Limits(warn=1.3, stop=2.0)
    clipped: Limits = Limits(warn=0.1, stop=0.3)
    entropy: Limits = Limits(warn=2.0, stop=5.0)
    flat: Limits = Limits(warn=0.8, stop=1.0)
    log_ratio: Limits = Limits(warn=0.02, stop=0.1)


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
        rewards: reward functions; their weighted sum is the reward of a completion. At least one. In a recipe also the
            name of a set of `reward_sets.py`.
        verification: limits of the processes that compare the completions' answers with the reference answers.
        rollouts: where the completions of the training end, and where the rewards read their answers.
        answers: how samples of the trained model, also when quantised, are evaluated.
        rehearsal: whether the largest step that can occur is tried before the first one, so that memory that does not
            suffice is found at once.
        validation: how the policy is sampled while it trains, on the data's validation set; the best of the models that
            it has seen is kept. None trains without, and keeps the last.
        guard: when the training is warned about or ended.
        generated_tokens: tokens of completions, on all processes together, after which the training ends, if
            `trainer.max_steps` has not ended it before.
        oversampling: how groups without spread are replaced; None trains on them, too.
        pass_rates: which prompts are left out by their pass rate; None measures none and leaves none out.
        interpolation: share of the trained weights in the product, the rest of which is the start model's: what GRPO
            takes from the majority and from pass@k comes back with most of the brevity kept
            (`fastmath.training.interpolation`). None takes the trained weights as they are.
        logged_completions: completions of every step that are kept, whole and with their rewards, in
            `completions.jsonl`; 0 keeps none. A million characters of completions are a megabyte of file.
    """

    rewards: tuple[RewardSettings, ...] = Field(min_length=1)
    verification: VerificationSettings = VerificationSettings()
    rollouts: ReadingSettings = ReadingSettings()
    answers: ReadingSettings = ReadingSettings()
    rehearsal: bool = True
    validation: ValidationSettings | None = None
    guard: GuardSettings = GuardSettings()
    generated_tokens: int | None = Field(None, ge=1)
    oversampling: OversamplingSettings | None = None
    pass_rates: PassRateSettings | None = None
    interpolation: float | None = Field(None, gt=0, lt=1)
    logged_completions: int = Field(4, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _list_rewards(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(name := values.get("rewards"), str):
            return values
        trainer = values.get("trainer")
        length = trainer.get("max_completion_length") if isinstance(trainer, Mapping) else None
        if not isinstance(length, int):
            raise ValueError(
                f"`grpo.rewards` is {name!r}, a set whose lengths are those of `grpo.trainer.max_completion_length`, "
                f"which is {length!r}; want a number of tokens there"
            )
        return {**values, "rewards": list_rewards(name, length)}

"""The sections of a recipe: immutable pydantic models that refuse unknown keys and settings that cannot work.

`fastmath.recipe.load.load_recipe` reads a YAML file into a `Recipe`; nothing else builds one outside the tests.
"""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fastmath.answers.contests import CONTESTS
from fastmath.prompts import CHAT_TEMPLATES, SYSTEM_PROMPTS
from fastmath.recipe.data import DataSettings
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.recipe.section import Section

SampleStop = Literal["think_end", "box"]

GROUP_SIZES = (32, 64, 128)
"""Group sizes of 4-bit weights that vLLM has kernels for (its Marlin and CPU kernels)."""


class NanoModelSettings(Section):
    """Shape of the embedded model; multiples of 32 because vLLM's 4-bit CPU kernels want them."""

    hidden_size: int = Field(128, multiple_of=32)
    intermediate_size: int = Field(384, multiple_of=32)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    max_positions: int = Field(1024, ge=64)
    vocabulary_size: int = Field(512, ge=320)


class ModelSettings(Section):
    """The base model.

    Attributes:
        name: `nano` (made on the spot), a local folder, or a Hub name.
        revision: commit of a Hub model; required for one, so that a run can be repeated.
        system_prompt, chat_template: names from `fastmath.prompts`; data, training, evaluation and kernel of a
            recipe all use these.
        nano: shape of the embedded model; only with `name: nano`.
    """

    name: str
    revision: str | None = None
    system_prompt: str = "none"
    chat_template: str = "nano"
    nano: NanoModelSettings | None = None

    @field_validator("system_prompt")
    @classmethod
    def _know_system_prompt(cls, value: str) -> str:
        require_known("`model.system_prompt`", value, SYSTEM_PROMPTS)
        return value

    @field_validator("chat_template")
    @classmethod
    def _know_chat_template(cls, value: str) -> str:
        require_known("`model.chat_template`", value, CHAT_TEMPLATES)
        return value

    @model_validator(mode="after")
    def _match_nano(self) -> Self:
        if (self.name == "nano") != (self.nano is not None):
            raise ValueError("`model.nano` belongs to `model.name: nano` and to no other; set both or neither")
        return self


class TrainingSettings(Section):
    """How a trainer is launched.

    Attributes:
        accelerate: name of a file in `configs/accelerate`.
        environment: variables of the training processes.
        trainer: TRL's own settings by TRL's own names.
    """

    accelerate: str = "cpu"
    environment: dict[str, str] = Field(default_factory=dict)
    trainer: dict[str, Any] = Field(default_factory=dict)


class SftSettings(TrainingSettings):
    """Stage 1. With `first_epoch_run`, a second run ends its whole schedule after one epoch, for comparison."""

    first_epoch_run: bool = False


class RewardSettings(Section):
    """One reward function by its name in `fastmath.training.rewards`, its weight and its own parameters."""

    name: str
    weight: float = 1.0
    parameters: dict[str, Any] = Field(default_factory=dict)


class VerificationSettings(Section):
    """Limits of the processes that verify completions.

    Attributes:
        workers: of each training process; None shares the cores of the machine between them.
        cpu_seconds: of one check, in CPU seconds.
        memory_gib: of one worker, beyond what it begins with.
        deadline_seconds: wall time of one batch of completions.
    """

    workers: int | None = Field(None, ge=1)
    cpu_seconds: float = Field(0.5, gt=0)
    memory_gib: float = Field(1.0, gt=0)
    deadline_seconds: float = Field(3.0, gt=0)


class GrpoSettings(TrainingSettings):
    """Stage 2."""

    rewards: tuple[RewardSettings, ...] = Field(min_length=1)
    verification: VerificationSettings = VerificationSettings()


class QuantizeSettings(Section):
    """4-bit AWQ by AutoAWQ; `calibration_tokens` is the length of one calibration chunk in tokens."""

    group_size: int = 128
    zero_point: bool = True
    calibration_chunks: int = Field(128, ge=1)
    calibration_tokens: int = Field(512, ge=16)

    @field_validator("group_size")
    @classmethod
    def _know_group_size(cls, value: int) -> int:
        if value not in GROUP_SIZES:
            nearest = min(GROUP_SIZES, key=lambda size: abs(size - value))
            listed = ", ".join(map(str, GROUP_SIZES))
            raise ValueError(f"is {value}; want one of {listed}, for which vLLM has kernels, the nearest is {nearest}")
        return value


class EngineSettings(Section):
    """vLLM engine arguments by vLLM's own names, and the environment that has to stand before its import."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)


class EvaluateSettings(Section):
    """Sampling of the held-out problems.

    Attributes:
        problems: the first so many held-out problems.
        samples: samples a problem.
        token_budget: the largest budget in tokens; smaller ones are prefixes of the same samples.
        budget_shares: the smaller budgets, as shares of the median length of the SFT model's samples.
    """

    problems: int = Field(200, ge=1)
    samples: int = Field(16, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    token_budget: int = Field(256, ge=1)
    budget_shares: tuple[float, ...] = (1.0, 0.7)
    engine: EngineSettings = EngineSettings()


class KernelSettings(Section):
    """The contest: profile, policy, samples and clock.

    Attributes:
        profile: a contest of `fastmath.answers.contests` (`aimo1`, `aimo2`, `aimo3`).
        questions: questions expected, and taken from the held-out problems; none takes the profile's number.
        samples: most samples a question.
        policy: by which a question is decided, a name that `fastmath replay --policy list` knows.
        slowdown: an engine step with b live samples takes 1 + b / slowdown times as long as one with none; measured by
            `benchmarks/sampling.py`.
        token_budget: most tokens of a sample.
        sample_stop: where a sample has said its answer: at the end of its reasoning, or at its first complete box.
        limit_seconds: the contest's clock; none measures full votes first and takes `limit_share` of their time.
        fallback_answer: answered when no sample voted.
        hang_seconds: without a token from any live sample for so long the engine is replaced.
        harvest_seconds: so long before a question's deadline every live sample is made to say its answer; 0 asks none.
        harvest_weight: weight of such a vote; a sample that ended by itself weighs 1.
    """

    profile: str = "aimo2"
    questions: int | None = Field(None, ge=1)
    samples: int = Field(16, ge=1)
    policy: str = "default"
    slowdown: float = Field(24.0, gt=0)
    token_budget: int = Field(256, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    sample_stop: SampleStop = "think_end"
    limit_seconds: float | None = Field(None, gt=0)
    limit_share: float = Field(1 / 3, gt=0)
    fallback_answer: int = 0
    hang_seconds: float = Field(60.0, gt=0)
    harvest_seconds: float = Field(10.0, ge=0)
    harvest_weight: float = Field(0.5, gt=0, le=1)
    engine: EngineSettings = EngineSettings()

    @model_validator(mode="after")
    def _match_contest(self) -> Self:
        if self.profile not in CONTESTS:
            raise ValueError(f"`kernel.profile` is {self.profile!r}; want one of {', '.join(sorted(CONTESTS))}")
        smallest, largest = CONTESTS[self.profile].answer_range
        if not smallest <= self.fallback_answer <= largest:
            raise ValueError(
                f"`kernel.fallback_answer` is {self.fallback_answer}; want one of {self.profile}'s answers, {smallest} "
                f"to {largest}"
            )
        return self


class Recipe(Section):
    """One experiment from data to kernel; `seed` seeds every stage."""

    name: str
    seed: int = 0
    model: ModelSettings
    data: DataSettings
    sft: SftSettings
    grpo: GrpoSettings
    quantize: QuantizeSettings
    evaluate: EvaluateSettings
    kernel: KernelSettings

    @model_validator(mode="after")
    def _match_nano(self) -> Self:
        if self.data.test_path is None:
            held_out = self.data.nano.test_problems
            self.require_held_out(held_out, f"`data.nano.test_problems` makes {held_out}")
        size = self.quantize.group_size
        if self.model.nano is not None:
            for name in ("hidden_size", "intermediate_size"):
                width = getattr(self.model.nano, name)
                if width % size:
                    raise ValueError(
                        f"`quantize.group_size` is {size}, which does not divide `model.nano.{name}`, {width}; want "
                        f"one of {', '.join(str(each) for each in GROUP_SIZES if width % each == 0)}"
                    )
        return self

    def require_held_out(self, held_out: int, where: str) -> None:
        """Check that there are as many held-out problems as the recipe wants.

        Args:
            held_out: number of problems that there are.
            where: what says so, the beginning of a sentence.

        Raises:
            SettingsError: there are fewer.
        """
        for name, wanted in (
            ("evaluate.problems", self.evaluate.problems),
            ("kernel.questions", self.kernel.questions),
        ):
            if wanted is not None and wanted > held_out:
                raise SettingsError(f"`{name}` is {wanted}, and {where} held-out problems; want {held_out} at most")

    @model_validator(mode="after")
    def _validate_trainers(self) -> Self:
        for section, parameters in (("sft", self.sft.trainer), ("grpo", self.grpo.trainer)):
            managed = sorted({"output_dir", "seed", "run_name", "reward_weights"} & parameters.keys())
            if managed:
                raise ValueError(
                    f"`{section}.trainer.{managed[0]}` is set by the run itself (run folder, `seed`, `grpo.rewards`); "
                    "leave it out"
                )
        return self

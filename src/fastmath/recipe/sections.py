"""The sections of a recipe, as immutable pydantic models that refuse unknown keys and settings that cannot work.

`fastmath.recipe.load.load_recipe` reads a YAML file into a `Recipe`; only tests build one in another way.
"""

from typing import Self

from pydantic import Field, field_validator, model_validator

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.data import DataSettings
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.recipe.grpo import GrpoSettings
from fastmath.recipe.inference import EvaluateSettings, KernelSettings, ReadingSettings
from fastmath.recipe.section import Section
from fastmath.recipe.training import TrainingSettings

GROUP_SIZES = (32, 64, 128)
"""Group sizes of 4-bit weights for which vLLM has kernels (Marlin on GPUs, and its CPU kernels)."""


class NanoModelSettings(Section):
    """Shape of the embedded model, a Qwen2 network; widths are multiples of 32, as vLLM's 4-bit CPU kernels require.

    Attributes:
        hidden_size: width of the hidden states.
        intermediate_size: width of the feed-forward layers.
        layers: number of transformer layers.
        heads: number of attention heads, all with keys and values of their own; it must divide `hidden_size`.
        max_positions: longest sequence, prompt and completion together, in tokens.
        initializer_range: standard deviation of the weights that training begins with.
        vocabulary_size: largest size of the tokenizer that is trained for the model, in tokens.
    """

    hidden_size: int = Field(128, multiple_of=32)
    intermediate_size: int = Field(384, multiple_of=32)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    max_positions: int = Field(1024, ge=64)
    initializer_range: float = Field(0.02, gt=0)
    vocabulary_size: int = Field(512, ge=320)


class ModelSettings(Section):
    """The base model.

    Attributes:
        name: `nano` (the embedded model, created by the data stage), a local folder, or the name of a Hub model.
        revision: commit of a Hub model; required before a run, unused for a local folder.
        licence: licence of the model, as its publisher states it; it is copied into the card of what is made from it.
        system_prompt: key in `fastmath.prompts.SYSTEM_PROMPTS`, used in training, evaluation and kernel alike; `none`
            sends no system turn.
        answers: how samples of the base model itself are evaluated, in a recipe that does not fine-tune it.
        nano: shape of the embedded model; required with `name: nano`, refused with any other.
    """

    name: str
    revision: str | None = None
    licence: str = "not stated"
    system_prompt: str = "none"
    answers: ReadingSettings = ReadingSettings(generation_end="end_of_text", answer_place="anywhere")
    nano: NanoModelSettings | None = None

    @field_validator("system_prompt")
    @classmethod
    def _know_system_prompt(cls, value: str) -> str:
        require_known("`model.system_prompt`", value, SYSTEM_PROMPTS)
        return value

    @model_validator(mode="after")
    def _match_nano(self) -> Self:
        if (self.name == "nano") != (self.nano is not None):
            raise ValueError("`model.nano` belongs to `model.name: nano` and to no other; set both or neither")
        return self


class SftSettings(TrainingSettings):
    """Stage 1, supervised fine-tuning.

    Attributes:
        first_epoch_run: whether to train a second model, for comparison, whose whole schedule ends after one epoch.
        answers: how samples of the trained models are evaluated: where they end, and where their answers are read.
    """

    first_epoch_run: bool = False
    answers: ReadingSettings = ReadingSettings()


class QuantizeSettings(Section):
    """Quantisation to 4-bit AWQ weights by AutoAWQ.

    Attributes:
        group_size: number of consecutive weights with a scale of their own, one of 32, 64 and 128; smaller groups are
            more accurate and take more memory. It must divide the model's widths.
        zero_point: whether each group also has a zero point (asymmetric quantisation); AutoAWQ packs no other weights.
        duo_scaling: whether a channel's scale also depends on its weights, as is AutoAWQ's default, and not on its
            activations alone, as in the paper. The paper's search also tries no scales at all, so that it cannot end
            far worse than plain rounding; with this it did, and SmolLM2 wrote nonsense (`benchmarks/real_weights.py`).
        clip: whether AutoAWQ also searches for bounds of the weights, which takes a CPU a minute for a layer of 576.
        calibration_chunks: most chunks of text that calibrate the scales; fewer if the texts do not suffice.
        calibration_tokens: upper limit on the length of one chunk, in tokens.
    """

    group_size: int = 128
    zero_point: bool = True
    duo_scaling: bool = False
    clip: bool = True
    calibration_chunks: int = Field(128, ge=1)
    calibration_tokens: int = Field(512, ge=16)

    @field_validator("zero_point")
    @classmethod
    def _need_zero_point(cls, value: bool) -> bool:
        if not value:
            raise ValueError("is false; want true, since AutoAWQ's layers cannot be packed without zero points")
        return value

    @field_validator("group_size")
    @classmethod
    def _know_group_size(cls, value: int) -> int:
        if value not in GROUP_SIZES:
            nearest = min(GROUP_SIZES, key=lambda size: abs(size - value))
            listed = ", ".join(map(str, GROUP_SIZES))
            raise ValueError(f"is {value}; want one of {listed}, for which vLLM has kernels, the nearest is {nearest}")
        return value


class Recipe(Section):
    """One experiment, from the data to the kernel; the classes of the sections describe their settings.

    Without one of `sft`, `grpo` and `quantize` there is no such stage, and what would follow it begins from the model
    before it: without `sft` GRPO begins from the base model, without all three the base model itself is evaluated.

    Attributes:
        name: name of the recipe in manifests and reports.
        seed: random seed of every stage.
    """

    name: str
    seed: int = 0
    model: ModelSettings
    data: DataSettings
    sft: SftSettings | None = None
    grpo: GrpoSettings | None = None
    quantize: QuantizeSettings | None = None
    evaluate: EvaluateSettings
    kernel: KernelSettings

    @model_validator(mode="after")
    def _match_nano(self) -> Self:
        if self.data.test_path is None and self.model.nano is None:
            raise ValueError(
                f"`data.test_path` is null, which takes the embedded problems, and `model.name` is "
                f"{self.model.name!r}; want a local file of problems and answers, or "
                "hf://datasets/OWNER/NAME@COMMIT/FILE"
            )
        if self.data.test_path is None:
            held_out = self.data.nano.test_problems
            self.require_held_out(held_out, f"`data.nano.test_problems` makes {held_out}")
        if self.model.nano is not None and self.quantize is not None:
            size = self.quantize.group_size
            for name in ("hidden_size", "intermediate_size"):
                width = getattr(self.model.nano, name)
                if width % size:
                    raise ValueError(
                        f"`quantize.group_size` is {size}, which does not divide `model.nano.{name}`, {width}; want "
                        f"one of {', '.join(str(each) for each in GROUP_SIZES if width % each == 0)}"
                    )
        return self

    @property
    def trainings(self) -> dict[str, SftSettings | GrpoSettings]:
        """The sections of the trainings that this recipe has, by name, in order."""
        found = {"sft": self.sft, "grpo": self.grpo}
        return {name: settings for name, settings in found.items() if settings is not None}

    @model_validator(mode="after")
    def _need_sources(self) -> Self:
        if not self.data.sources and (self.trainings or self.quantize is not None):
            raise ValueError(
                "`data.sources` is empty, and `sft`, `grpo` and `quantize` (its calibration) need training problems; "
                "name a source, or set these three to null"
            )
        return self

    @model_validator(mode="after")
    def _need_validation_problems(self) -> Self:
        there = self.data.validation_path is not None or self.data.nano.validation_problems > 0
        if self.grpo is not None and self.grpo.validation is not None and not there:
            raise ValueError(
                "`grpo.validation` wants problems that are not trained on, and the recipe has none; name a file in "
                "`data.validation_path`, set `data.nano.validation_problems` for the nano task, or `grpo.validation: "
                "null`"
            )
        return self

    @model_validator(mode="after")
    def _measure_what_is_submitted(self) -> Self:
        cached = [section.engine.arguments.get("kv_cache_dtype", "auto") for section in (self.evaluate, self.kernel)]
        if cached[0] != cached[1]:
            raise ValueError(
                f"`evaluate.engine.arguments.kv_cache_dtype` is {cached[0]!r} and the kernel's {cached[1]!r}: "
                f"the accuracy of what is submitted would not be measured; want the same in both"
            )
        return self

    def require_held_out(self, held_out: int, where: str) -> None:
        """Check that there are as many held-out problems as `evaluate.problems` asks for.

        Other sets than the held-out problems are counted where they are read.

        Args:
            held_out: number of problems that there are.
            where: beginning of a sentence that says where that number comes from.

        Raises:
            SettingsError: there are fewer.
        """
        wanted = None if self.evaluate.sets else self.evaluate.problems
        if wanted is not None and wanted > held_out:
            raise SettingsError(
                f"`evaluate.problems` is {wanted}, and {where} held-out problems; want {held_out} at most"
            )

    @model_validator(mode="after")
    def _validate_trainers(self) -> Self:
        for section, settings in self.trainings.items():
            managed = sorted({"output_dir", "seed", "run_name", "reward_weights"} & settings.trainer.keys())
            if managed:
                raise ValueError(
                    f"`{section}.trainer.{managed[0]}` is set by the run itself (run folder, `seed`, `grpo.rewards`); "
                    "leave it out"
                )
        return self

"""A training's settings as a plan reads them: TRL's defaults stand where a recipe leaves something out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fastmath.planning.memory import MOMENT_BYTES, Load, Memory, Precision, Sharing, estimate_memory
from fastmath.planning.shapes import ModelShape
from fastmath.recipe.launches import Launch, read_launch
from fastmath.recipe.sections import Recipe
from fastmath.recipe.training import TrainingSettings

PROMPT_TOKENS = 512
"""Longest prompt of GRPO; the paper's."""
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Training:
    """One training of a recipe, and how it is launched.

    Attributes:
        stage: `sft` or `grpo`.
        settings: its section of the recipe.
        launch: its accelerate file.
    """

    stage: str
    settings: TrainingSettings
    launch: Launch

    @classmethod
    def read(cls, stage: str, recipe: Recipe) -> Self:
        """The training of a stage that the recipe has.

        Raises:
            fastmath.recipe.errors.SettingsError: the accelerate file cannot be read.
        """
        settings = recipe.trainings[stage]
        return cls(stage, settings, read_launch(settings))

    @property
    def trainer(self) -> Mapping[str, Any]:
        """The arguments of TRL's trainer that the recipe sets."""
        return self.settings.trainer

    @property
    def sequences(self) -> int:
        """Sequences of one micro-batch of one process."""
        return self.trainer.get("per_device_train_batch_size", 8)

    @property
    def process_batch(self) -> int:
        """Sequences of one step of one process."""
        return self.sequences * self.trainer.get("gradient_accumulation_steps", 1)

    @property
    def step_batch(self) -> int:
        """Sequences of one step of all processes together; of GRPO, completions."""
        return self.process_batch * self.launch.processes

    @property
    def longest(self) -> int:
        """Longest sequence, in tokens: a packed example, or a prompt with its completion."""
        if self.stage == "sft":
            return self.trainer.get("max_length") or 1024
        return PROMPT_TOKENS + self.completion_limit

    @property
    def completion_limit(self) -> int:
        """Most tokens of a completion of GRPO."""
        return self.trainer.get("max_completion_length", 256)

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight as it is loaded."""
        return DTYPE_BYTES.get(str((self.trainer.get("model_init_kwargs") or {}).get("dtype")), 4)

    @property
    def checkpointing(self) -> bool:
        """Whether activations are computed again in the backward pass."""
        return bool(self.trainer.get("gradient_checkpointing", True))

    @property
    def optimizer(self) -> str:
        """Name of the optimiser."""
        return str(self.trainer.get("optim", "adamw_torch"))

    @property
    def has_reference(self) -> bool:
        """Whether a KL divergence from a reference model is computed."""
        return self.stage == "grpo" and self.trainer.get("beta", 0.0) > 0

    @property
    def uses_vllm(self) -> bool:
        """Whether vLLM generates the rollouts."""
        return self.stage == "grpo" and bool(self.trainer.get("use_vllm"))

    @property
    def engine_gpus(self) -> int:
        """GPUs that share one vLLM engine."""
        return self.trainer.get("vllm_tensor_parallel_size", 1)

    @property
    def passes(self) -> int:
        """Forward passes that the arithmetic of a step is worth.

        One forward and two backward, and one more that is computed again. With adapters the gradients of most weights
        are not computed, so that the backward pass is worth one. In GRPO there are a pass of the reference, and, where
        vLLM's log-probabilities are corrected, one of the policy before the step (trl/trainer/grpo_trainer.py,
        `_generate_and_score_completions`).
        """
        corrected = self.uses_vllm and self.trainer.get("vllm_importance_sampling_correction", True)
        trained = 3 if self.settings.lora is None else 2
        return trained + self.checkpointing + self.has_reference + bool(corrected)

    def count_trained(self, shape: ModelShape) -> int:
        """Number of trained parameters."""
        lora = self.settings.lora
        return shape.parameters if lora is None else shape.lora_parameters(lora.rank, lora.targets)

    def estimate_memory(self, shape: ModelShape) -> Memory:
        """Memory of one process at the height of a step, without rollouts."""
        mixed = self.trainer.get("bf16") or self.trainer.get("fp16")
        lora = self.settings.lora
        adapters = {} if lora is None else {"lora_rank": lora.rank, "lora_targets": lora.targets}
        return estimate_memory(
            shape,
            Precision(self.weight_bytes, 2 if mixed else self.weight_bytes, self.launch.deepspeed),
            Sharing(self.launch.processes, self.launch.zero_stage),
            Load(self.sequences * self.longest, self.checkpointing, **adapters),
            optimizer=self.optimizer,
            reference=self.has_reference,
        )

    def estimate_checkpoint(self, shape: ModelShape) -> float:
        """Bytes of one checkpoint: what was trained, and what a resumed training needs of the optimiser."""
        stored = self.weight_bytes if self.settings.lora is None else 4  # peft keeps adapters in float32
        if self.trainer.get("save_only_model"):
            return self.count_trained(shape) * stored
        copies = 4 if self.launch.deepspeed else 0
        moments = MOMENT_BYTES.get(self.optimizer, 2 * (copies or stored))
        return self.count_trained(shape) * (stored + moments + copies)

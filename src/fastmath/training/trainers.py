"""Building TRL's SFTConfig and GRPOConfig from a recipe, both to check the recipe and to train.

TRL accepts most wrong values and fails on them hours later (`loss_type="dapoo"`, `max_steps="fifty"`). The values are
therefore checked first: against the annotations of TRL's dataclasses, against the choices that TRL keeps as plain text,
and against bounds of our own.
"""

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations
from trl import GRPOConfig, SFTConfig

from fastmath.recipe.errors import SettingsError, suggest
from fastmath.recipe.foreign import find_fault
from fastmath.recipe.launches import read_launch
from fastmath.recipe.sections import Recipe
from fastmath.recipe.training import TrainingSettings
from fastmath.training.further_sampling import refuse_mixed_scales, refuse_short_context
from fastmath.training.reward_base import GroupReward, Reward
from fastmath.training.rewards import build_rewards

Config = TypeVar("Config", SFTConfig, GRPOConfig)

CHOICES: Mapping[str, Mapping[str, tuple[str | bool, ...]]] = {
    "sft": {
        "loss_type": ("nll", "dft"),
        "packing_strategy": ("bfd", "bfd_split", "wrapped"),
        "truncation_mode": ("keep_start", "keep_end"),
    },
    "grpo": {
        "loss_type": ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo", "vespo"),
        "importance_sampling_level": ("token", "sequence"),
        "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
        "scale_rewards": ("group", "batch", "none", True, False),
        "vllm_importance_sampling_mode": ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
        "vllm_mode": ("server", "colocate"),
    },
}
"""Valid values, by section and setting, of settings that TRL keeps as plain text and checks only while it trains."""

# The filter would put an average in the place of every loss that is NaN, and a diverged training would look sound.
DEFAULTS: Mapping[str, Any] = {"report_to": [], "logging_nan_inf_filter": False}
"""Settings of both trainers where the recipe does not set them."""

_AT_LEAST_ONE = (1, math.inf)
_SHARE = (0, 1)
_NOT_NEGATIVE = (0, math.inf)
_POSITIVE = (math.nextafter(0, 1), math.inf)
BOUNDS: Mapping[str, tuple[float, float]] = {
    "adam_beta1": _SHARE,
    "adam_beta2": _SHARE,
    "beta": _NOT_NEGATIVE,
    "generation_batch_size": _AT_LEAST_ONE,
    "gradient_accumulation_steps": _AT_LEAST_ONE,
    "learning_rate": _POSITIVE,
    "logging_steps": _POSITIVE,
    "max_completion_length": _AT_LEAST_ONE,
    "max_grad_norm": _NOT_NEGATIVE,
    "max_length": _AT_LEAST_ONE,
    "min_p": _SHARE,
    "num_generations": (2, math.inf),
    "num_iterations": _AT_LEAST_ONE,
    "num_train_epochs": _POSITIVE,
    "per_device_train_batch_size": _AT_LEAST_ONE,
    "save_steps": _POSITIVE,
    "save_total_limit": _AT_LEAST_ONE,
    "steps_per_generation": _AT_LEAST_ONE,
    "temperature": _POSITIVE,
    "top_p": (math.nextafter(0, 1), 1),
    "vllm_gpu_memory_utilization": (math.nextafter(0, 1), 1),
    "vllm_max_model_length": _AT_LEAST_ONE,
    "vllm_tensor_parallel_size": _AT_LEAST_ONE,
    "warmup_steps": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
}
"""Smallest and largest valid value of settings for which TRL has no bounds of its own."""


def check_trainers(recipe: Recipe) -> None:
    """Build the configurations of the recipe's trainings for the number of processes in the recipe's accelerate files.

    Raises:
        SettingsError: a setting is unknown, has the wrong type or is out of bounds; settings contradict each other; a
            reward or a reward parameter is unknown; or an accelerate file does not exist.
    """
    build = {"sft": build_sft_config, "grpo": build_grpo_config}
    with tempfile.TemporaryDirectory() as folder:
        for section, settings in recipe.trainings.items():
            _refuse_cut_adapters(section, settings)
            read_launch(settings).require_address()
            build[section](recipe, Path(folder), processes=read_launch(settings).processes)


def build_sft_config(
    recipe: Recipe, folder: Path, *, first_epoch: bool = False, processes: int | None = None
) -> SFTConfig:
    """Build TRL's configuration of stage 1.

    Args:
        recipe: the recipe, of which `sft.trainer` and `seed` are used.
        folder: folder of the training; checkpoints are written to `checkpoints/` in it.
        first_epoch: whether to build the comparison run, whose whole schedule, from warm-up to zero, takes one epoch.
        processes: number of training processes for which to check the settings; None if this process is one of them.

    Raises:
        SettingsError: the settings cannot work.
    """
    settings = DEFAULTS | {"logging_steps": 10} | recipe.sft.trainer
    if first_epoch:
        settings["num_train_epochs"] = 1
    config = _build(SFTConfig, "sft", settings | {"seed": recipe.seed}, folder, processes)
    _refuse_open_packing(config)
    return config


def build_grpo_config(recipe: Recipe, folder: Path, *, processes: int | None = None) -> GRPOConfig:
    """Build TRL's configuration of stage 2, including the weights of the recipe's rewards.

    Args:
        recipe: the recipe, of which `grpo` and `seed` are used.
        folder: folder of the training; checkpoints are written to `checkpoints/` in it.
        processes: number of training processes for which to check the settings; None if this process is one of them.

    Raises:
        SettingsError: the settings or the rewards cannot work.
    """
    _require_whole_groups(recipe, processes)
    weights = {"reward_weights": [reward.weight for reward in recipe.grpo.rewards]}
    settings = DEFAULTS | {"logging_steps": 1} | recipe.grpo.trainer | weights
    config = _build(GRPOConfig, "grpo", settings | {"seed": recipe.seed}, folder, processes)
    _refuse_split_groups(build_rewards(recipe.grpo.rewards, config.num_generations), recipe, config)
    refuse_mixed_scales(recipe, config)
    refuse_short_context(recipe, config)
    _refuse_biased_sampling(config)
    length = config.vllm_max_model_length
    if config.use_vllm and length is not None and length <= config.max_completion_length:
        raise SettingsError(
            f"`grpo.trainer.vllm_max_model_length` is {length} tokens, and a completion alone may have "
            f"{config.max_completion_length} (`max_completion_length`); want room for the prompt, too"
        )
    return config


def _refuse_cut_adapters(section: str, settings: TrainingSettings) -> None:
    """Refuse adapters under ZeRO-3, where no process has the whole weights into which they are merged."""
    if settings.lora is not None and read_launch(settings).zero_stage == 3:
        raise SettingsError(
            f"`{section}.lora` trains adapters, which are merged into whole weights, and `{section}.accelerate: "
            f"{settings.accelerate}` cuts the weights into parts (ZeRO-3); want `zero2`, or one process"
        )


def _build(kind: type[Config], section: str, settings: dict[str, Any], folder: Path, processes: int | None) -> Config:
    for name, value in settings.items():
        fault = _find_fault(kind, section, name, value)
        if fault is not None:
            raise SettingsError(f"`{section}.trainer.{name}` {fault}")
    if processes is not None:
        # A subclass for checks: it reports the number of processes of the launch and does not use a GPU.
        kind = type(kind.__name__, (kind,), {"world_size": property(lambda _: processes)})
        settings = settings | {"use_cpu": True}
    elif not torch.cuda.is_available():
        # With `use_cpu` accelerate leaves DeepSpeed out, and without a backend its processes do not know of each other.
        deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
        settings = ({"ddp_backend": "gloo"} if deepspeed else {"use_cpu": True}) | settings
    try:
        config = kind(output_dir=str(folder / "checkpoints"), **settings)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"`{section}.trainer` cannot work: {error}") from error
    _require_trackers(section, config)
    return config


def _require_trackers(section: str, config: TrainingArguments) -> None:
    """Refuse a tracker that is not installed, which transformers would find out once the model is loaded."""
    there = get_available_reporting_integrations()
    for name in config.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise SettingsError(f"`{section}.trainer.report_to` is {name!r}{suggest(name, INTEGRATION_TO_CALLBACK)}")
        if name not in there:
            raise SettingsError(
                f"`{section}.trainer.report_to` is {name!r}, whose package is not installed; install it, or leave the "
                "setting out: everything is also written to metrics.jsonl"
            )


def _find_fault(kind: type, section: str, name: str, value: Any) -> str | None:
    """The fault of one setting, worded to follow its name in a sentence; None if there is no fault."""
    choices = CHOICES[section].get(name)
    if choices is not None:
        return None if value in choices else f"is {value!r}{suggest(str(value), map(str, choices))}"
    if name == "eval_strategy" and value != "no":
        return f"is {value!r}, and the trainer is given no evaluation set; leave it out"
    return find_fault(kind, name, value) or _check_bounds(name, value)


def _check_bounds(name: str, value: Any) -> str | None:
    if name not in BOUNDS or not isinstance(value, int | float):
        return None
    low, high = BOUNDS[name]
    if low <= value <= high:
        return None
    least = "more than 0" if low == _POSITIVE[0] else f"at least {low}"
    return f"is {value!r}; want {least}{'' if math.isinf(high) else f', at most {high}'}"


def _require_whole_groups(recipe: Recipe, processes: int | None) -> None:
    """Check that the completions of one step, over all processes of the launch, divide into whole groups."""
    if processes is None:
        return
    trainer = {"steps_per_generation": None, "generation_batch_size": None} | recipe.grpo.trainer
    generations, per_device, accumulation = (
        trainer.get(name, getattr(GRPOConfig, name))
        for name in ("num_generations", "per_device_train_batch_size", "gradient_accumulation_steps")
    )
    steps = trainer["steps_per_generation"] or accumulation
    batch = trainer["generation_batch_size"] or processes * per_device * steps
    whole = all(isinstance(count, int) and count > 0 for count in (batch, generations, per_device, steps))
    if not whole or batch % generations == 0:
        return
    made_of = (
        "`generation_batch_size`"
        if trainer["generation_batch_size"]
        else f"processes of `grpo.accelerate: {recipe.grpo.accelerate}` x `per_device_train_batch_size` x "
        f"`steps_per_generation` = {processes} x {per_device} x {steps}"
    )
    divisors = [size for size in range(2, batch + 1) if batch % size == 0]
    nearest = min(divisors, key=lambda size: abs(size - generations))
    raise SettingsError(
        f"a step has {batch} completions ({made_of}), which do not divide into groups of {generations} "
        f"(`num_generations`); the nearest that does is {nearest}"
    )


def _refuse_biased_sampling(config: GRPOConfig) -> None:
    """Refuse sampling from a part of the vocabulary together with a correction that is summed over a sequence.

    vLLM's log-probabilities are those after `top_p`, `top_k` and `min_p`, of a distribution that sums to 1 over the
    tokens that are kept (vllm/v1/sample/ops/topk_topp_sampler.py); the trainer's are over all tokens. So each token's
    ratio is the mass that was kept, and the product over a long completion vanishes with the gradient.

    Example: a kept mass of 0.99 gives 0.99^8000 = 1e-35 over 8,000 tokens.
    """
    truncates = config.top_p < 1 or bool(config.min_p) or config.top_k not in (None, 0, -1)
    summed = config.vllm_importance_sampling_mode.startswith("sequence")
    if config.use_vllm and config.vllm_importance_sampling_correction and summed and truncates:
        raise SettingsError(
            f"`grpo.trainer` samples from a part of the vocabulary (top_p {config.top_p}, top_k {config.top_k}, min_p "
            f"{config.min_p}) and corrects by a ratio over the whole sequence (`vllm_importance_sampling_mode: "
            f"{config.vllm_importance_sampling_mode}`), so that the gradient vanishes in long completions; want "
            "`vllm_importance_sampling_correction: false`, a mode that begins with `token`, or top_p 1 and no min_p"
        )


def _refuse_open_packing(config: SFTConfig) -> None:
    """Refuse packing with an attention that does not know where one document of a sequence ends and the next begins."""
    attention = str((config.model_init_kwargs or {}).get("attn_implementation", "sdpa"))
    if config.packing and config.packing_strategy != "wrapped" and "flash" not in attention:
        raise SettingsError(
            f"`sft.trainer.packing` joins several traces to one sequence, and `model_init_kwargs.attn_implementation: "
            f"{attention}` would let each attend to those before it; want a FlashAttention, or `packing: false`"
        )


def _refuse_split_groups(rewards: Sequence[Reward], recipe: Recipe, config: GRPOConfig) -> None:
    """Refuse groups that are split between processes where whole ones are needed; TRL checks only the total."""
    grouped = [f"`{reward.__name__}`" for reward in rewards if isinstance(reward, GroupReward)]
    completions = config.per_device_train_batch_size * config.steps_per_generation
    if (grouped or recipe.grpo.oversampling is not None) and completions % config.num_generations:
        effect = f"{', '.join(grouped)} would compare" if grouped else "`grpo.oversampling` would replace"
        raise SettingsError(
            f"each process would judge {config.per_device_train_batch_size} x {config.steps_per_generation} = "
            f"{completions} completions (`grpo.trainer.per_device_train_batch_size` x `steps_per_generation`), which "
            f"do not divide into groups of {config.num_generations} (`num_generations`): {effect} parts of groups; "
            "make it a multiple"
        )

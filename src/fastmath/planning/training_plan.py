"""The plan of a training: memory of one GPU, hours by the share of the GPUs' arithmetic that is used, checkpoints."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastmath.planning.engine_plan import estimate_decoding, estimate_engine
from fastmath.planning.machine import GpuKind, Machine
from fastmath.planning.memory import GIB, MOMENT_BYTES, Load, Memory, Precision, Sharing, estimate_memory
from fastmath.planning.shapes import ModelShape
from fastmath.planning.stage_plan import StagePlan, add_overhead, find_faults
from fastmath.planning.workload import Workload, count_completions, measure_grpo, measure_sft
from fastmath.recipe.launches import Launch, read_launch
from fastmath.recipe.sections import GrpoSettings, Recipe, SftSettings, TrainingSettings

USED_SHARE = 0.35
"""Share of a GPU's arithmetic that long training steps reach, recomputation counted (Chowdhery et al. 2022, arXiv
2204.02311, section 4.1, call it hardware FLOPs utilisation and find 0.3 to 0.6)."""
PROMPT_TOKENS = 512
"""Longest prompt of GRPO; the paper's."""
STEP_SECONDS = 30.0
"""Seconds of each GRPO step beside arithmetic: verifying, waking vLLM, and handing it the weights."""
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def plan_sft(recipe: Recipe, shape: ModelShape, machine: Machine, run_dir: Path | None) -> StagePlan:
    """The plan of the fine-tuning, with the comparison run of one epoch where there is one."""
    settings = _require(recipe.sft)
    launch, trainer = read_launch(settings), settings.trainer
    work = measure_sft(recipe, settings, run_dir)
    longest = trainer.get("max_length") or 1024
    memory = _estimate(settings, launch, shape, trainer.get("per_device_train_batch_size", 8) * longest, False)
    tokens = work.steps * work.step_tokens
    if settings.first_epoch_run:
        tokens *= 1 + 1 / trainer.get("num_train_epochs", 3)
    kept = min(work.row_tokens, longest)
    passes = _count_passes(settings)
    hours = _hours(machine.kind, launch, tokens * passes * shape.pass_flops(kept))
    facts = {"rows": work.rows, "steps": work.steps, "tokens": tokens}
    return _finish("sft", settings, launch, machine, memory, {}, shape, work, hours, facts)


def plan_grpo(recipe: Recipe, shape: ModelShape, machine: Machine, run_dir: Path | None) -> StagePlan:
    """The plan of GRPO, with its rollouts by vLLM beside the training or by transformers in it.

    vLLM takes its share of the GPU. In sleep mode it gives it back while the policy is trained, so that the larger of
    the two needs counts; without it, their sum.
    """
    settings = _require(recipe.grpo)
    launch, trainer = read_launch(settings), settings.trainer
    work = measure_grpo(recipe, settings, run_dir)
    context = PROMPT_TOKENS + trainer.get("max_completion_length", 256)
    reference = trainer.get("beta", 0.0) > 0
    memory = _estimate(settings, launch, shape, trainer.get("per_device_train_batch_size", 8) * context, reference)
    rollouts, kv_tokens = _plan_rollouts(settings, launch, shape, machine, context)
    extra = rollouts
    if rollouts and trainer.get("vllm_enable_sleep_mode"):
        passing = (memory.gradients + memory.activations) / GIB  # what the training needs while vLLM sleeps
        extra = {"vllm beyond the step": max(0.0, sum(rollouts.values()) - passing)}
    hours = None
    if machine.kind is not None and not launch.on_cpu and trainer.get("use_vllm"):
        seconds = _train_seconds(settings, launch, shape, machine.kind, context, reference) + STEP_SECONDS
        seconds += _rollout_seconds(settings, launch, shape, machine.kind, kv_tokens)
        hours = work.steps * seconds / 3600
    facts = {"rows": work.rows, "steps": work.steps, "tokens": work.steps * work.step_tokens}
    facts |= {"kv cache tokens": kv_tokens} if trainer.get("use_vllm") else {}
    plan = _finish("grpo", settings, launch, machine, memory, extra, shape, work, hours, facts)
    if trainer.get("use_vllm") and machine.gpus and not plan.faults and kv_tokens < context:
        wanted = f"grpo: vLLM's share holds {kv_tokens:,.0f} tokens, and one completion with its prompt {context:,}"
        return _replace_faults(plan, (f"{wanted} (`grpo.trainer.vllm_gpu_memory_utilization`)",))
    return plan


def _plan_rollouts(
    settings: GrpoSettings, launch: Launch, shape: ModelShape, machine: Machine, context: int
) -> tuple[dict[str, float], float]:
    """GiB of one GPU for rollouts, and the tokens that fit into vLLM's cache over the GPUs of one engine."""
    trainer = settings.trainer
    if not trainer.get("use_vllm"):
        batch = trainer.get("per_device_train_batch_size", 8) * trainer.get("gradient_accumulation_steps", 1)
        width = DTYPE_BYTES.get(str((trainer.get("model_init_kwargs") or {}).get("dtype")), 4)
        return {"cache of the rollouts": batch * context * shape.cache_bytes(width) / GIB}, 0.0
    if trainer.get("vllm_mode", "colocate") != "colocate":
        return {}, math.inf
    share = trainer.get("vllm_gpu_memory_utilization", 0.3) * (machine.memory_gib if machine.gpus else 0.0)
    parallel = trainer.get("vllm_tensor_parallel_size", 1)
    cache = parallel * (share - estimate_engine(shape)) * GIB - 2 * shape.parameters
    return {"vllm": share}, max(0.0, cache / shape.cache_bytes())


def _train_seconds(
    settings: GrpoSettings, launch: Launch, shape: ModelShape, kind: GpuKind, context: int, reference: bool
) -> float:
    """Seconds of the arithmetic of one step: TRL pads all completions to the longest, which is nearly the limit.

    Beside the training itself there are a pass of the reference, and, where vLLM's log-probabilities are corrected, one
    of the policy before the step (trl/trainer/grpo_trainer.py, `_generate_and_score_completions`).
    """
    trainer = settings.trainer
    corrected = trainer.get("use_vllm") and trainer.get("vllm_importance_sampling_correction", True)
    passes = _count_passes(settings) + bool(reference) + bool(corrected)
    tokens = count_completions(settings) * context
    return passes * tokens * shape.pass_flops(context) / (launch.processes * kind.flops * USED_SHARE)


def _rollout_seconds(
    settings: GrpoSettings, launch: Launch, shape: ModelShape, kind: GpuKind, kv_tokens: float
) -> float:
    trainer = settings.trainer
    parallel = trainer.get("vllm_tensor_parallel_size", 1)
    engines = max(1, launch.processes // parallel)
    completions = math.ceil(count_completions(settings) / engines)
    return estimate_decoding(shape, kind, parallel, completions, trainer.get("max_completion_length", 256), kv_tokens)


def _estimate(settings: TrainingSettings, launch: Launch, shape: ModelShape, tokens: int, reference: bool) -> Memory:
    trainer = settings.trainer
    stored = DTYPE_BYTES.get(str((trainer.get("model_init_kwargs") or {}).get("dtype")), 4)
    computed = 2 if trainer.get("bf16") or trainer.get("fp16") else stored
    lora = settings.lora
    return estimate_memory(
        shape,
        Precision(stored, computed, launch.deepspeed),
        Sharing(launch.processes, launch.zero_stage),
        Load(
            tokens,
            bool(trainer.get("gradient_checkpointing", True)),
            *(() if lora is None else (lora.rank, lora.targets)),
        ),
        optimizer=str(trainer.get("optim", "adamw_torch")),
        reference=reference,
    )


def _count_passes(settings: TrainingSettings) -> int:
    """Forward passes that a step of training is worth: one forward, two backward, and one more that is computed again.

    With adapters the gradients of most weights are not computed, so that the backward pass is worth one.
    """
    again = 1 if settings.trainer.get("gradient_checkpointing", True) else 0
    return (3 if settings.lora is None else 2) + again


def _hours(kind: GpuKind | None, launch: Launch, operations: float) -> float | None:
    return None if kind is None else operations / (launch.processes * kind.flops * USED_SHARE) / 3600


def _finish(
    stage: str,
    settings: SftSettings | GrpoSettings,
    launch: Launch,
    machine: Machine,
    memory: Memory,
    extra: Mapping[str, float],
    shape: ModelShape,
    work: Workload,
    hours: float | None,
    facts: Mapping[str, float],
) -> StagePlan:
    parts = {name: value / GIB for name, value in vars(memory).items()} | dict(extra)
    faults = find_faults(
        stage, launch.processes, machine, launch.on_cpu, f"`{stage}.accelerate: {settings.accelerate}`"
    )
    count = count_checkpoints(settings.trainer, work)
    disk = count * estimate_checkpoint(settings, launch, shape) + _final_model(settings, shape)
    used = Machine(0, machine.memory_gib) if launch.on_cpu else machine
    return StagePlan(
        stage,
        launch.processes,
        add_overhead(parts, used, launch.processes),
        machine.memory_gib,
        disk / GIB,
        hours if not launch.on_cpu else None,
        dict(facts) | {"checkpoints": count},
        faults,
    )


def count_checkpoints(trainer: Mapping[str, Any], work: Workload) -> int:
    """Checkpoints that lie on the disk at once, at most: those that are kept, and one that is being written."""
    strategy = str(trainer.get("save_strategy", "steps"))
    if strategy == "no":
        return 0
    if strategy == "epoch":
        saved = math.ceil(trainer.get("num_train_epochs", 3))
    else:
        every = trainer.get("save_steps", 500)
        saved = math.ceil(work.steps / every) if every >= 1 else math.ceil(1 / every)
    limit = trainer.get("save_total_limit")
    return saved if limit is None else min(saved, limit + 1)


def estimate_checkpoint(settings: TrainingSettings, launch: Launch, shape: ModelShape) -> float:
    """Bytes of one checkpoint: the weights, and what a resumed training needs of the optimiser."""
    trainer, lora = settings.trainer, settings.lora
    trained = shape.parameters if lora is None else shape.lora_parameters(lora.rank, lora.targets)
    width = DTYPE_BYTES.get(str((trainer.get("model_init_kwargs") or {}).get("dtype")), 4)
    stored = 4 if lora is not None else width
    if trainer.get("save_only_model"):
        return trained * stored
    optimizer = MOMENT_BYTES.get(str(trainer.get("optim")), 2 * (4 if launch.deepspeed else stored))
    return trained * (stored + optimizer + (4 if launch.deepspeed else 0))


def _final_model(settings: SftSettings | GrpoSettings, shape: ModelShape) -> float:
    width = DTYPE_BYTES.get(str((settings.trainer.get("model_init_kwargs") or {}).get("dtype")), 4)
    return shape.parameters * width * (2 if getattr(settings, "first_epoch_run", False) else 1)


def _replace_faults(plan: StagePlan, faults: tuple[str, ...]) -> StagePlan:
    return replace(plan, faults=faults)


def _require(settings: Any) -> Any:
    if settings is None:
        raise ValueError("the recipe has no such training")
    return settings

"""The plan of a training: memory of one GPU, hours by the share of the GPUs' arithmetic that is used, checkpoints."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastmath.planning.engine_plan import estimate_decoding, estimate_engine
from fastmath.planning.machine import GpuKind, Machine
from fastmath.planning.memory import GIB, Memory
from fastmath.planning.shapes import ModelShape
from fastmath.planning.stage_plan import StagePlan, add_overhead, find_faults
from fastmath.planning.trainings import Training
from fastmath.planning.workload import Workload, measure_grpo, measure_sft
from fastmath.recipe.sections import Recipe

USED_SHARE = 0.35
"""Share of a GPU's arithmetic that long training steps reach, recomputation counted (Chowdhery et al. 2022, arXiv
2204.02311, section 4.1, call it hardware FLOPs utilisation)."""
STEP_SECONDS = 30.0
"""Seconds of each GRPO step beside arithmetic: verifying, waking vLLM, and handing it the weights."""

VALIDATION_PROBLEMS = 30
"""Problems of a validation set whose number nobody knows before it is read: those of an AIME year."""
CANDIDATES = 3
"""Models that GRPO keeps at once to choose from, seldom more (`fastmath.training.selection`)."""


def plan_sft(recipe: Recipe, shape: ModelShape, machine: Machine, run_dir: Path | None) -> StagePlan:
    """The plan of the fine-tuning, with the comparison run of one epoch where there is one."""
    training = Training.read("sft", recipe)
    work = measure_sft(recipe, training, run_dir)
    runs = 2 if recipe.sft is not None and recipe.sft.first_epoch_run else 1
    tokens = work.steps * work.step_tokens * (1 + (runs - 1) / training.trainer.get("num_train_epochs", 3))
    hours = None
    if machine.kind is not None:
        hours = _train_seconds(training, shape, machine.kind, tokens, min(work.row_tokens, training.longest)) / 3600
    facts = {"rows": work.rows, "steps": work.steps, "tokens": tokens}
    return _make_plan(training, machine, shape, work, training.estimate_memory(shape), {}, hours, facts, models=runs)


def plan_grpo(recipe: Recipe, shape: ModelShape, machine: Machine, run_dir: Path | None) -> StagePlan:
    """The plan of GRPO, with its rollouts by vLLM beside the training or by transformers in it.

    vLLM takes its share of the GPU. In sleep mode it gives it back while the policy is trained, so that the larger of
    the two needs counts; without it, their sum. Of rollouts by transformers no hours are told.
    """
    training = Training.read("grpo", recipe)
    work = measure_grpo(recipe, training, run_dir)
    memory = training.estimate_memory(shape)
    rollouts, kv_tokens = _plan_rollouts(training, shape, machine)
    if training.uses_vllm and training.trainer.get("vllm_enable_sleep_mode"):
        passing = (memory.gradients + memory.activations) / GIB  # what the training needs while vLLM sleeps
        rollouts = {"vllm beyond the step": max(0.0, sum(rollouts.values()) - passing)}
    facts = {"rows": work.rows, "steps": work.steps, "tokens": work.steps * work.step_tokens}
    facts |= {"kv cache tokens": kv_tokens} if training.uses_vllm else {}
    hours = None
    if machine.kind is not None and training.uses_vllm:
        # TRL pads all completions of a batch to the longest, which is nearly the limit.
        padded = training.step_batch * training.longest
        seconds = STEP_SECONDS + _train_seconds(training, shape, machine.kind, padded, training.longest)
        rolled = work.steps * _rollout_seconds(training, shape, machine.kind, kv_tokens, training.step_batch)
        samples, times = _count_validations(recipe, work.steps)
        rolled += times * _rollout_seconds(training, shape, machine.kind, kv_tokens, samples)
        hours = (work.steps * seconds + rolled) / 3600
    models = 1 if recipe.grpo.validation is None else 1 + CANDIDATES
    plan = _make_plan(training, machine, shape, work, memory, rollouts, hours, facts, models)
    if training.uses_vllm and machine.gpus and not plan.faults and kv_tokens < training.longest:
        holds = f"grpo: vLLM's share holds {kv_tokens:,.0f} tokens, and one completion with its prompt "
        fault = f"{holds}{training.longest:,} (`grpo.trainer.vllm_gpu_memory_utilization`)"
        return replace(plan, faults=(fault,))
    return plan


def _plan_rollouts(training: Training, shape: ModelShape, machine: Machine) -> tuple[dict[str, float], float]:
    """GiB of one GPU for rollouts, and the tokens that fit into the cache of one engine of vLLM."""
    if not training.uses_vllm:
        cache = training.process_batch * training.longest * shape.cache_bytes(training.weight_bytes)
        return {"cache of the rollouts": cache / GIB}, 0.0
    if training.trainer.get("vllm_mode", "colocate") != "colocate":
        return {}, math.inf
    utilization = training.trainer.get("vllm_gpu_memory_utilization", 0.3)
    share = utilization * (machine.memory_gib if machine.gpus else 0.0)
    cache = training.engine_gpus * (share - estimate_engine(shape)) * GIB - shape.weight_bytes()
    return {"vllm": share}, max(0.0, cache / shape.cache_bytes())


def _train_seconds(training: Training, shape: ModelShape, kind: GpuKind, tokens: float, context: float) -> float:
    """Seconds of the arithmetic of training on some tokens, on all GPUs, in sequences of a mean length."""
    operations = tokens * training.passes * shape.pass_flops(context)
    return operations / (training.launch.processes * kind.flops * USED_SHARE)


def _count_validations(recipe: Recipe, steps: int) -> tuple[int, int]:
    """Samples of one validation, and the number of validations."""
    settings = recipe.grpo.validation
    if settings is None:
        return 0, 0
    problems = settings.problems or recipe.data.nano.validation_problems or VALIDATION_PROBLEMS
    return problems * settings.samples, 1 + math.ceil(steps / settings.every)


def _rollout_seconds(training: Training, shape: ModelShape, kind: GpuKind, kv_tokens: float, completions: int) -> float:
    engines = max(1, training.launch.processes // training.engine_gpus)
    completions = math.ceil(completions / engines)
    return estimate_decoding(shape, kind, training.engine_gpus, completions, training.completion_limit, kv_tokens)


def _make_plan(
    training: Training,
    machine: Machine,
    shape: ModelShape,
    work: Workload,
    memory: Memory,
    rollouts: Mapping[str, float],
    hours: float | None,
    facts: Mapping[str, float],
    models: int = 1,
) -> StagePlan:
    stage, launch = training.stage, training.launch
    parts = {name: value / GIB for name, value in vars(memory).items()} | dict(rollouts)
    checkpoints = count_checkpoints(training.trainer, work.steps)
    disk = checkpoints * training.estimate_checkpoint(shape) + models * shape.weight_bytes(training.weight_bytes)
    where = f"`{stage}.accelerate: {training.settings.accelerate}`"
    of_cpu = launch.on_cpu or not machine.gpus
    return StagePlan(
        stage,
        launch.processes,
        add_overhead(parts, launch.processes, of_cpu),
        machine.main_memory_gib if of_cpu else machine.memory_gib,
        disk / GIB,
        None if launch.on_cpu else hours,
        dict(facts) | {"checkpoints": checkpoints},
        find_faults(stage, launch.processes, machine, launch.on_cpu, where),
    )


def count_checkpoints(trainer: Mapping[str, Any], steps: int) -> int:
    """Checkpoints that lie on the disk at once, at most: those that are kept, and one that is being written."""
    strategy = str(trainer.get("save_strategy", "steps"))
    if strategy == "no":
        return 0
    if strategy == "epoch":
        saved = math.ceil(trainer.get("num_train_epochs", 3))
    else:
        every = trainer.get("save_steps", 500)
        saved = math.ceil(steps / every) if every >= 1 else math.ceil(1 / every)
    limit = trainer.get("save_total_limit")
    return saved if limit is None else min(saved, limit + 1)

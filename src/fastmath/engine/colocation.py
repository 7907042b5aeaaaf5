"""What vLLM needs so that a trainer can give it new weights on the CPU.

On the CPU vLLM 0.31 packs a layer's weights for its kernels while it loads a model, drops the weights of linear layers,
and goes on with the packed copy of the output layer whatever is loaded later (model_executor/layers/utils.py,
`dispatch_cpu_unquantized_gemm`). New weights would be refused by the first, and unseen by the second.
"""

import importlib
import os
from collections.abc import Mapping
from typing import Any

import torch

CPU_ENVIRONMENT: Mapping[str, str] = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; the rest is the trainer's
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise the trainer's threads are bound to vLLM's cores, too
    "VLLM_CPU_CI_ENV": "1",  # traced, not compiled: compiling takes longer than a small model's rollouts
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Environment variables of a training process on the CPU that holds vLLM, where nobody has set them."""


def keep_weights_loadable() -> None:
    """Prepare this process for a vLLM engine on the CPU whose weights its trainer replaces; call before it is built.

    It is for the whole life of the process, as every weight that arrives needs it.
    """
    for name, value in CPU_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # vLLM's layers look this function up each time that a model is loaded
    importlib.import_module("vllm.model_executor.layers.utils").dispatch_cpu_unquantized_gemm = _multiply_plainly


def _multiply_plainly(layer: Any, remove_weight: bool) -> None:
    """Let a layer multiply by the weights that it has at that moment."""
    layer.cpu_linear = torch.nn.functional.linear

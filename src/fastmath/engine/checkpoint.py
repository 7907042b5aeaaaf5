"""Which checkpoint an engine loads: the one it is given, or on a machine without 4-bit kernels its expansion."""

import json
import logging
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmath.runs.gpus import list_gpu_names

logger = logging.getLogger(__name__)

BITS = 4


def has_4bit_kernels() -> bool:
    """Whether vLLM can multiply by 4-bit weights on this machine; its CPU kernels need AVX-512 on x86."""
    import torch  # late: a contest of ordinary weights begins without it

    if platform.machine() != "x86_64" or "AVX512" in torch.backends.cpu.get_cpu_capability():
        return True
    # Asked of the driver: after `torch.cuda.is_available()` a forked process may not use CUDA. A torch that was built
    # for CPUs makes no use of the GPUs that the driver knows.
    return torch.version.cuda is not None and bool(list_gpu_names())


def find_runnable_checkpoint(folder: Path) -> Path:
    """The checkpoint that vLLM can load on this machine, expanded first if that is necessary.

    Args:
        folder: a complete checkpoint, quantised or not.

    Returns:
        `folder` itself; or, for 4-bit weights on a machine without 4-bit kernels, the folder `NAME-expanded` beside it,
        which is written on first use.
    """
    quantization = json.loads((folder / "config.json").read_text()).get("quantization_config", {})
    if not is_expandable(quantization) or has_4bit_kernels():
        return folder
    from fastmath.engine.expand import expand_checkpoint

    expanded = folder.with_name(f"{folder.name}-expanded")
    if not (expanded / "config.json").exists():
        logger.warning("this processor has no AVX-512, which vLLM's 4-bit kernels need: expanding %s", folder)
        expand_checkpoint(folder, expanded)
    return expanded


def is_expandable(quantization: Mapping[str, Any]) -> bool:
    """Whether a `quantization_config` is of 4-bit weights that `fastmath.engine.expand` can unpack."""
    if quantization.get("quant_method") != "compressed-tensors":
        return quantization.get("quant_method") == "awq"
    groups = list(quantization.get("config_groups", {}).values())
    if quantization.get("format") != "pack-quantized" or len(groups) != 1 or groups[0].get("input_activations"):
        return False
    weights = groups[0]["weights"]
    return weights["num_bits"] == BITS and weights["strategy"] == "group" and not weights.get("actorder")

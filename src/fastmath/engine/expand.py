"""Expansion of AWQ checkpoints for machines where vLLM has no 4-bit kernels: x86 processors without AVX-512.

The 4-bit weights are expanded once into float32, value for value, and vLLM loads the result. Accuracy is still that of
the quantised model; memory and speed are those of an ordinary float32 one.
"""

import json
import logging
import platform
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from fastmath.runs.files import write_aside

logger = logging.getLogger(__name__)

BITS = 4
NIBBLE_OF_COLUMN = (0, 4, 1, 5, 2, 6, 3, 7)
"""Nibble of a packed int32 that holds column 0, 1, ... 7 (AutoAWQ, `awq/utils/packing_utils.py`)."""


def has_4bit_kernels() -> bool:
    """Whether vLLM can multiply by 4-bit weights on this machine; its CPU kernels need AVX-512 on x86."""
    if torch.cuda.is_available() or platform.machine() != "x86_64":
        return True
    return "AVX512" in torch.backends.cpu.get_cpu_capability()


def find_runnable_checkpoint(folder: Path) -> Path:
    """The checkpoint that vLLM can load on this machine, expanded first if that is necessary.

    Args:
        folder: a complete checkpoint, quantised or not.

    Returns:
        `folder` itself; or, for an AWQ checkpoint on a machine without 4-bit kernels, the folder `NAME-expanded` beside
        it, which is written on first use.
    """
    config = json.loads((folder / "config.json").read_text())
    if config.get("quantization_config", {}).get("quant_method") != "awq" or has_4bit_kernels():
        return folder
    expanded = folder.with_name(f"{folder.name}-expanded")
    if not (expanded / "config.json").exists():
        logger.warning("this processor has no AVX-512, which vLLM's 4-bit kernels need: expanding %s", folder)
        expand_checkpoint(folder, expanded)
    return expanded


def expand_checkpoint(folder: Path, destination: Path) -> None:
    """Write the AWQ checkpoint in `folder` to `destination` as a float32 checkpoint with the same values."""
    config = json.loads((folder / "config.json").read_text())
    group_size = config.pop("quantization_config")["group_size"]
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    expanded = {}
    for name, tensor in tensors.items():
        base, _, part = name.rpartition(".")
        if part == "qweight":
            weight = expand_weight(tensor, tensors[f"{base}.qzeros"], tensors[f"{base}.scales"], group_size)
            expanded[f"{base}.weight"] = weight
        elif part not in ("qzeros", "scales"):
            expanded[name] = tensor.float()
    with write_aside(destination) as aside:
        aside.mkdir(parents=True)
        for path in folder.iterdir():
            if path.name.startswith(("tokenizer", "generation_config", "chat_template", "special_tokens")):
                shutil.copy(path, aside / path.name)
        save_file(expanded, aside / "model.safetensors", metadata={"format": "pt"})
        (aside / "config.json").write_text(json.dumps(config | {"dtype": "float32"}, indent=2))


def expand_weight(qweight: torch.Tensor, qzeros: torch.Tensor, scales: torch.Tensor, group_size: int) -> torch.Tensor:
    """Unpack AWQ weights: `(q - zero) * scale`, where `group_size` inputs share one zero and one scale.

    Args:
        qweight: (inputs, outputs / 8) int32, eight 4-bit columns per element.
        qzeros: (inputs / group_size, outputs / 8) int32, packed likewise.
        scales: (inputs / group_size, outputs) float16.
        group_size: number of inputs that share a zero and a scale.

    Returns:
        (outputs, inputs) float32, contiguous, the layout of a linear layer's weight.

    Example: q = 9, zero = 8, scale = 0.5 give (9 - 8) * 0.5 = 0.5.
    """
    zeros = _unpack(qzeros).repeat_interleave(group_size, dim=0)  # (inputs, outputs)
    scale = scales.float().repeat_interleave(group_size, dim=0)  # (inputs, outputs)
    return ((_unpack(qweight) - zeros) * scale).T.contiguous()


def _unpack(packed: torch.Tensor) -> torch.Tensor:
    """(rows, columns / 8) int32 → (rows, columns) float32 with values from 0 to 15."""
    shifts = BITS * torch.tensor(NIBBLE_OF_COLUMN, dtype=torch.int32)
    values = (packed[:, :, None] >> shifts) & 0xF  # (rows, columns / 8, 8)
    return values.reshape(packed.shape[0], -1).float()

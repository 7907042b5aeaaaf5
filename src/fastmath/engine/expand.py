"""Running an AWQ checkpoint where vLLM has no 4-bit kernels: on x86 processors without AVX-512.

There the 4-bit weights are expanded once into float32, value for value, and vLLM loads those. What is measured is then
still the quantised model; only memory and speed are those of an ordinary one.
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
"""Which nibble of a packed int32 holds each of its eight columns (AutoAWQ, `awq/utils/packing_utils.py`)."""


def has_4bit_kernels() -> bool:
    """Whether vLLM can multiply with 4-bit weights here; its CPU kernels for it need AVX-512 on x86."""
    if torch.cuda.is_available() or platform.machine() != "x86_64":
        return True
    return "AVX512" in torch.backends.cpu.get_cpu_capability()


def find_runnable_checkpoint(folder: Path) -> Path:
    """The folder itself, or beside it `NAME-expanded`, made on first use, where its weights cannot be run as they are.

    Args:
        folder: a whole checkpoint, quantised or not.
    """
    config = json.loads((folder / "config.json").read_text())
    if config.get("quantization_config", {}).get("quant_method") != "awq" or has_4bit_kernels():
        return folder
    expanded = folder.with_name(f"{folder.name}-expanded")
    if not expanded.exists():
        logger.warning("this processor has no AVX-512, which vLLM's 4-bit kernels need: expanding %s", folder)
        expand_checkpoint(folder, expanded)
    return expanded


def expand_checkpoint(folder: Path, destination: Path) -> None:
    """Write the AWQ checkpoint in `folder` as an ordinary float32 one of the same values."""
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
    """Weights from AWQ's packed form: `(q - zero) * scale`, zero and scale shared by `group_size` inputs.

    Args:
        qweight: (inputs, outputs / 8) int32, eight 4-bit columns in each.
        qzeros: (inputs / group_size, outputs / 8) int32.
        scales: (inputs / group_size, outputs) float16.
        group_size: inputs that share a zero and a scale.

    Returns:
        (outputs, inputs) float32, contiguous, as a linear layer has it.

    Example: q = 9, zero = 8, scale = 0.5 give (9 - 8) * 0.5 = 0.5.
    """
    zeros = _unpack(qzeros).repeat_interleave(group_size, dim=0)  # (inputs, outputs)
    scale = scales.float().repeat_interleave(group_size, dim=0)  # (inputs, outputs)
    return ((_unpack(qweight) - zeros) * scale).T.contiguous()


def _unpack(packed: torch.Tensor) -> torch.Tensor:
    """(rows, columns / 8) int32 → (rows, columns) float32 of values 0-15."""
    shifts = BITS * torch.tensor(NIBBLE_OF_COLUMN, dtype=torch.int32)
    values = (packed[:, :, None] >> shifts) & 0xF  # (rows, columns / 8, 8)
    return values.reshape(packed.shape[0], -1).float()

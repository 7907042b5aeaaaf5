"""Expansion of 4-bit checkpoints for machines where vLLM has no 4-bit kernels: x86 processors without AVX-512.

The 4-bit weights, as AutoAWQ or compressed-tensors packs them, are expanded once into float32, value for value, and
vLLM loads the result. Accuracy is still that of the quantised model; memory and speed are those of an ordinary float32
one.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from fastmath.engine.checkpoint import BITS, is_expandable
from fastmath.runs.files import write_aside

AWQ_NIBBLES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Nibble of a packed int32 that holds column 0, 1, ... 7 (AutoAWQ, `awq/utils/packing_utils.py`)."""
COMPRESSED_NIBBLES = tuple(range(8))
"""The same of compressed-tensors (`compressors/pack_quantized/helpers.py`), which packs in order."""
SYMMETRIC_ZERO = 8
"""Zero of weights that are stored without one: the middle of 0 to 15."""
PACKED_PARTS = {
    "awq": ("qweight", "qzeros", "scales"),
    "compressed-tensors": ("weight_packed", "weight_zero_point", "weight_scale", "weight_shape"),
}
"""Tensors of a 4-bit layer in each format; the first one holds the weights."""


class PackingError(ValueError):
    """A checkpoint is not quantised in a way that can be expanded."""


def expand_checkpoint(folder: Path, destination: Path) -> None:
    """Write the 4-bit checkpoint in `folder` to `destination` as a float32 checkpoint with the same values.

    Raises:
        PackingError: the checkpoint is neither AWQ nor 4-bit compressed-tensors in one group of settings.
    """
    config = json.loads((folder / "config.json").read_text())
    quantization = config.pop("quantization_config", {})
    if not is_expandable(quantization):
        raise PackingError(
            f"{folder} has the quantization_config {quantization}; want `awq`, or `compressed-tensors` of the format "
            "pack-quantized with 4-bit weights in groups. vLLM may still load it as it is"
        )
    method = quantization["quant_method"]
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    expanded = {}
    for name, tensor in tensors.items():
        base, _, part = name.rpartition(".")
        if part == PACKED_PARTS[method][0]:
            expanded[f"{base}.weight"] = _expand_layer(tensors, base, quantization)
        elif part not in PACKED_PARTS[method]:
            expanded[name] = tensor.float()
    with write_aside(destination) as aside:
        aside.mkdir(parents=True)
        for path in folder.iterdir():
            if path.name.startswith(("tokenizer", "generation_config", "chat_template", "special_tokens")):
                shutil.copy(path, aside / path.name)
        save_file(expanded, aside / "model.safetensors", metadata={"format": "pt"})
        (aside / "config.json").write_text(json.dumps(config | {"dtype": "float32"}, indent=2))


def expand_awq(qweight: torch.Tensor, qzeros: torch.Tensor, scales: torch.Tensor, group_size: int) -> torch.Tensor:
    """Unpack AutoAWQ's weights: `(q - zero) * scale`, where `group_size` inputs share one zero and one scale.

    Args:
        qweight: (inputs, outputs / 8) int32, eight 4-bit columns per element.
        qzeros: (inputs / group_size, outputs / 8) int32, packed likewise.
        scales: (inputs / group_size, outputs) float16.
        group_size: number of inputs that share a zero and a scale.

    Returns:
        (outputs, inputs) float32, contiguous, the layout of a linear layer's weight.

    Example: q = 9, zero = 8, scale = 0.5 give (9 - 8) * 0.5 = 0.5.
    """
    return _scale(_unpack(qweight, AWQ_NIBBLES).T, _unpack(qzeros, AWQ_NIBBLES).T, scales.T, group_size)


def expand_compressed(
    packed: torch.Tensor, zeros: torch.Tensor | None, scales: torch.Tensor, shape: torch.Tensor
) -> torch.Tensor:
    """Unpack 4-bit weights of compressed-tensors: `(q - zero) * scale`, where a group of inputs shares zero and scale.

    The library itself reads a nibble n as n - 8, in weights and zeros alike, which leaves their difference as it is.

    Args:
        packed: (outputs, inputs / 8) int32, eight 4-bit inputs per element, rounded up.
        zeros: (outputs / 8, groups) int32, eight 4-bit outputs per element, rounded up; None where every zero is 8.
        scales: (outputs, groups) of a floating-point type.
        shape: int64, the two numbers `outputs, inputs`.

    Returns:
        (outputs, inputs) float32, contiguous.

    Example: q = 9, no zeros, scale = 0.5 give (9 - 8) * 0.5 = 0.5.
    """
    outputs, inputs = shape.tolist()
    quants = _unpack(packed, COMPRESSED_NIBBLES)[:, :inputs]
    if zeros is None:
        unpacked = torch.full(scales.shape, float(SYMMETRIC_ZERO))
    else:
        unpacked = _unpack(zeros.T, COMPRESSED_NIBBLES)[:, :outputs].T
    return _scale(quants, unpacked, scales, inputs // scales.shape[1])


def _expand_layer(tensors: Mapping[str, torch.Tensor], base: str, quantization: Mapping[str, Any]) -> torch.Tensor:
    method = quantization["quant_method"]
    parts = [tensors.get(f"{base}.{part}") for part in PACKED_PARTS[method]]
    return expand_awq(*parts, quantization["group_size"]) if method == "awq" else expand_compressed(*parts)


def _scale(quants: torch.Tensor, zeros: torch.Tensor, scales: torch.Tensor, group_size: int) -> torch.Tensor:
    """(outputs, inputs), (outputs, groups), (outputs, groups) → (outputs, inputs) float32, contiguous."""
    zeros, scales = (each.float().repeat_interleave(group_size, dim=1) for each in (zeros, scales))
    return ((quants - zeros) * scales).contiguous()


def _unpack(packed: torch.Tensor, nibbles: Sequence[int]) -> torch.Tensor:
    """(rows, columns / 8) int32 → (rows, columns) float32 with values from 0 to 15; column i is in nibble i."""
    shifts = BITS * torch.tensor(nibbles, dtype=torch.int32)
    values = (packed[:, :, None] >> shifts) & 0xF  # (rows, columns / 8, 8)
    return values.reshape(packed.shape[0], -1).float()

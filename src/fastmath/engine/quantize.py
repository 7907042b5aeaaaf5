"""4-bit AWQ quantisation with AutoAWQ (Lin et al. 2023, arXiv 2306.00978).

AutoAWQ is no longer maintained, but it still works with current transformers, and vLLM runs the checkpoints that it
saves. It drops calibration texts longer than its limit, so long traces are first cut into chunks here. The same weights
are also written as compressed-tensors, which vLLM and transformers will still read when they drop AutoAWQ's format.
"""

import itertools
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars
from transformers import PreTrainedTokenizerBase

from fastmath.recipe.sections import QuantizeSettings
from fastmath.runs.files import write_aside, write_json
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_start_model


def run(stage: Stage) -> None:
    """Quantise the last model that was trained, or the base model.

    The product `model/` is what vLLM loads; `compressed/` has the same weights in the format of compressed-tensors.
    """
    source = find_start_model(stage).fetch()
    texts = polars.read_parquet(stage.product("build_data", "calibration.parquet"))["text"].to_list()
    quantize(source, stage.folder / "model", texts, stage.recipe.quantize)
    write_compressed(stage.folder / "model", stage.folder / "compressed")


def quantize(source: Path, destination: Path, texts: Sequence[str], settings: QuantizeSettings) -> None:
    """Quantise a model to 4 bits and save it with its tokenizer.

    Args:
        source: folder of the checkpoint to quantise.
        destination: folder of the quantised checkpoint.
        texts: calibration texts, whose activations decide how the weights are scaled.
        settings: group size, zero point, and the number and length of the calibration chunks.

    Raises:
        ValueError: the texts are too short for a single calibration chunk.
    """
    # Late: both are slow to import, and notebook 05 only quantises where nothing is there yet.
    from awq import AutoAWQForCausalLM
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source)
    chunks = chunk_texts(texts, tokenizer, settings)
    model = AutoAWQForCausalLM.from_pretrained(str(source), device_map="cpu", safetensors=True)
    model.quantize(
        tokenizer,
        quant_config={
            "w_bit": 4,
            "q_group_size": settings.group_size,
            "zero_point": settings.zero_point,
            "version": "GEMM",
        },
        calib_data=chunks,
        duo_scaling=settings.duo_scaling,
        apply_clip=settings.clip,
        max_calib_samples=settings.calibration_chunks,
        max_calib_seq_len=settings.calibration_tokens,
    )
    model.save_quantized(str(destination), safetensors=True)
    tokenizer.save_pretrained(destination)
    # AutoAWQ writes its own generation config; the end tokens of the model must be kept.
    if (source / "generation_config.json").is_file():
        shutil.copy(source / "generation_config.json", destination / "generation_config.json")
    config = json.loads((destination / "config.json").read_text())
    # AutoAWQ's scales are float16 whatever the model's dtype, and 4-bit kernels accept no float32 activations.
    write_json(destination / "config.json", config | {"dtype": "float16"})


def write_compressed(source: Path, destination: Path) -> None:
    """Write an AWQ checkpoint as compressed-tensors, of the format `pack-quantized`: the same weights, packed anew.

    Per layer `weight_packed` is (outputs, inputs / 8) int32, `weight_zero_point` (outputs / 8, groups) int32,
    `weight_scale` (outputs, groups) float16 as AutoAWQ has it, and `weight_shape` two int64. All other tensors and
    files, tokenizer, template and generation config among them, are copied, and so is the rest of `config.json`.

    Args:
        source: folder of a checkpoint that AutoAWQ has saved.
        destination: folder of the new checkpoint; an earlier one there is replaced.

    Raises:
        ValueError: `source` is no AWQ checkpoint of 4 bits in the version `gemm`, or a layer lacks a tensor.
    """
    # Late: with transformers' model classes it takes seconds to import.
    from compressed_tensors.entrypoints.convert import AutoAWQConverter, convert_checkpoint

    converter = AutoAWQConverter.from_pretrained(str(source))
    with write_aside(destination) as aside:
        aside.mkdir(parents=True)
        convert_checkpoint(source, aside, converter)


def chunk_texts(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, settings: QuantizeSettings) -> list[str]:
    """Join the texts and cut them into at most `calibration_chunks` chunks of at most `calibration_tokens` tokens.

    Raises:
        ValueError: the texts together are shorter than one chunk.
    """
    ids = itertools.chain.from_iterable(tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts)
    # A few tokens below the limit: decoding and encoding a chunk again may change its number of tokens.
    length = settings.calibration_tokens - 8
    chunks = []
    while len(chunks) < settings.calibration_chunks:
        chunk = list(itertools.islice(ids, length))
        if len(chunk) < length:
            break
        chunks.append(tokenizer.decode(chunk))
    if not chunks:
        raise ValueError(f"the calibration texts hold fewer than {length} tokens; give more, or shorten the chunks")
    return chunks

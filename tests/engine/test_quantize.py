"""AutoAWQ's checkpoints written as compressed-tensors: the same weights, read by others' programs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationScheme
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from fastmath.engine.checkpoint import has_4bit_kernels
from fastmath.engine.expand import expand_awq, expand_checkpoint
from fastmath.engine.quantize import quantize, write_compressed
from fastmath.nano.model import make_base_model
from fastmath.recipe.sections import NanoModelSettings, QuantizeSettings

GROUP, INPUTS, OUTPUTS = 32, 64, 48
TEXT = "What is 3+4? So \\boxed{7}. "
GREEDY = """
import json, sys
if __name__ == "__main__":
    from vllm import LLM, SamplingParams
    llm = LLM(sys.argv[1], dtype="bfloat16", max_model_len=256, enforce_eager=True)
    prompt = {"prompt_token_ids": json.loads(sys.argv[2])}
    (output,) = llm.generate([prompt], SamplingParams(max_tokens=64, temperature=0, ignore_eos=True))
    print(json.dumps(list(output.outputs[0].token_ids)))
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    """One layer as AutoAWQ packs it, of random quants and zeros: every value from 0 to 15 is among both."""
    folder = tmp_path_factory.mktemp("packed") / "awq"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    sizes = {"qweight": (INPUTS, OUTPUTS // 8), "qzeros": (INPUTS // GROUP, OUTPUTS // 8)}
    tensors = {
        f"layer.{part}": torch.randint(-(2**31), 2**31, size, generator=generator).int() for part, size in sizes.items()
    }
    tensors["layer.scales"] = torch.rand(INPUTS // GROUP, OUTPUTS, generator=generator).half()
    tensors["layer.bias"] = torch.rand(OUTPUTS, generator=generator)
    save_file(tensors, folder / "model.safetensors")
    settings = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}
    config = {"model_type": "qwen2", "dtype": "float16", "quantization_config": settings}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    write_compressed(folder, folder.parent / "compressed")
    return folder.parent


@pytest.fixture(scope="module")
def quantised(tmp_path_factory) -> Path:
    """A random model that AutoAWQ has quantised, in both formats, and either of them expanded."""
    folder = tmp_path_factory.mktemp("quantised")
    sizes = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=256, vocabulary_size=320)
    make_base_model(folder / "base", sizes, [TEXT], seed=0)
    settings = QuantizeSettings(group_size=32, calibration_chunks=2, calibration_tokens=32)
    quantize(folder / "base", folder / "model", [TEXT * 20], settings)
    write_compressed(folder / "model", folder / "compressed")
    for name in ("model", "compressed"):
        expand_checkpoint(folder / name, folder / f"{name}-expanded")
    return folder


def read_config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def test_the_library_reads_every_weight_of_autoawq_s(packed):
    ours, theirs = (load_file(packed / name / "model.safetensors") for name in ("awq", "compressed"))
    weight = expand_awq(ours["layer.qweight"], ours["layer.qzeros"], ours["layer.scales"], GROUP)
    (group,) = read_config(packed / "compressed")["quantization_config"]["config_groups"].values()
    layer = {name.removeprefix("layer."): tensor for name, tensor in theirs.items()}
    layer["weight_scale"] = layer["weight_scale"].float()  # (q - zero) * scale is exact in float32 alone
    read = PackedQuantizationCompressor.decompress(layer, QuantizationScheme.model_validate(group))["weight"]
    assert torch.equal(read, weight)


def test_a_zero_of_its_own_is_kept_for_each_group_of_each_output(packed):
    zeros = load_file(packed / "compressed" / "model.safetensors")["layer.weight_zero_point"]
    # 48 outputs, eight to an int32, and 64 / 32 groups of inputs
    assert zeros.shape == (6, 2)
    (group,) = read_config(packed / "compressed")["quantization_config"]["config_groups"].values()
    assert group["weights"]["symmetric"] is False


def test_what_is_not_packed_stays_as_it_is(packed):
    ours, theirs = (load_file(packed / name / "model.safetensors")["layer.bias"] for name in ("awq", "compressed"))
    assert torch.equal(ours, theirs)


def test_scales_keep_their_dtype_and_values(packed):
    ours, theirs = (load_file(packed / name / "model.safetensors") for name in ("awq", "compressed"))
    assert theirs["layer.weight_scale"].dtype == torch.float16
    assert torch.equal(ours["layer.scales"].T, theirs["layer.weight_scale"])


def test_only_the_quantisation_differs_in_the_configuration(packed):
    ours, theirs = (read_config(packed / name) for name in ("awq", "compressed"))
    assert theirs.pop("quantization_config")["quant_method"] == "compressed-tensors"
    ours.pop("quantization_config")
    assert theirs == ours


def test_a_layer_that_lies_in_two_files_is_packed_whole(packed, tmp_path):
    # as in a checkpoint of several gigabytes
    shutil.copytree(packed / "awq", tmp_path / "awq")
    whole = load_file(packed / "awq" / "model.safetensors")
    (tmp_path / "awq" / "model.safetensors").unlink()
    files = {name: f"model-{1 + (name in ('layer.scales', 'layer.bias'))}-of-2.safetensors" for name in whole}
    for file in set(files.values()):
        save_file({name: whole[name] for name in whole if files[name] == file}, tmp_path / "awq" / file)
    (tmp_path / "awq" / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    write_compressed(tmp_path / "awq", tmp_path / "compressed")
    expand_checkpoint(tmp_path / "compressed", tmp_path / "expanded")
    weight = expand_awq(whole["layer.qweight"], whole["layer.qzeros"], whole["layer.scales"], GROUP)
    assert torch.equal(load_file(tmp_path / "expanded" / "model.safetensors")["layer.weight"], weight)


def test_tokenizer_template_and_generation_config_come_along(quantised):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert (quantised / "compressed" / name).read_bytes() == (quantised / "model" / name).read_bytes()


def test_both_formats_expand_to_the_same_bits(quantised):
    ours, theirs = (load_file(quantised / f"{name}-expanded/model.safetensors") for name in ("model", "compressed"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@torch.inference_mode()
def test_transformers_gives_the_logits_of_the_expanded_awq_checkpoint(quantised, dtype):
    ids = AutoTokenizer.from_pretrained(quantised / "model")(TEXT, return_tensors="pt").input_ids
    # It reads compressed-tensors itself, and AutoAWQ's format only with a package that is not here. An integer times a
    # float16 scale is rounded once in float16, as the product in float32 is when it is made float16.
    ours, theirs = (
        AutoModelForCausalLM.from_pretrained(quantised / name, dtype=dtype)(ids).logits
        for name in ("model-expanded", "compressed")
    )
    assert (ours - theirs).abs().max() == 0


@pytest.mark.slow
@pytest.mark.skipif(not has_4bit_kernels(), reason="vLLM has no 4-bit kernels for this processor")
def test_vllm_writes_the_same_tokens_from_both_formats(quantised):
    prompt = AutoTokenizer.from_pretrained(quantised / "model")(TEXT)["input_ids"]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    written = []
    for name in ("model", "compressed"):
        command = [sys.executable, "-c", GREEDY, str(quantised / name), json.dumps(prompt)]
        finished = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr[-2000:]
        written.append(json.loads(finished.stdout.splitlines()[-1]))
    assert written[0] == written[1]

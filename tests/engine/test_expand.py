"""Expanding 4-bit checkpoints into ordinary ones of the same values."""

import json

import pytest
import torch
from awq.utils.packing_utils import dequantize_gemm
from transformers import AutoModelForCausalLM, AutoTokenizer

from fastmath.engine import checkpoint, expand


def test_a_weight_is_its_quant_less_the_zero_times_the_scale():
    # all eight columns of one input hold 9, all zeros are 8, all scales 0.5: (9 - 8) * 0.5 = 0.5
    nine = torch.tensor([[int.from_bytes(bytes([0x99] * 4), signed=True)]], dtype=torch.int32)
    eight = torch.tensor([[int.from_bytes(bytes([0x88] * 4), signed=True)]], dtype=torch.int32)
    weight = expand.expand_awq(nine, eight, torch.full((1, 8), 0.5, dtype=torch.float16), group_size=1)
    assert weight.tolist() == [[0.5]] * 8


def test_expansion_agrees_with_autoawq_s_own():
    generator = torch.Generator().manual_seed(0)
    packed = [torch.randint(-(2**31), 2**31, size, generator=generator).int() for size in ((64, 4), (2, 4))]
    scales = torch.rand(2, 32, generator=generator).half()
    theirs = dequantize_gemm(packed[0], packed[1], scales, bits=4, group_size=32)
    ours = expand.expand_awq(packed[0], packed[1], scales, group_size=32)
    # theirs multiplies in float16, so it differs by half a unit in the last place: 15 * 2**-11 at most
    assert torch.allclose(ours.T, theirs.float(), atol=15 * 2**-11)


def test_compressed_weights_without_zeros_are_centred_on_8():
    # all eight inputs of one output hold 9, all scales are 0.5: (9 - 8) * 0.5 = 0.5
    nine = torch.tensor([[int.from_bytes(bytes([0x99] * 4), signed=True)]], dtype=torch.int32)
    scales = torch.full((1, 1), 0.5, dtype=torch.float16)
    assert expand.expand_compressed(nine, None, scales, torch.tensor([1, 8])).tolist() == [[0.5] * 8]


def test_what_fills_the_last_integer_is_no_weight():
    # five inputs of one output are 9 to 13, three nibbles are left over; its zero, the first of eight, is 8: 1 to 5
    packed = torch.tensor([[0x000DCBA9]], dtype=torch.int32)
    zeros = torch.tensor([[0x00000008]], dtype=torch.int32)
    weight = expand.expand_compressed(packed, zeros, torch.ones(1, 1), torch.tensor([1, 5]))
    assert weight.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0]]


OTHERS = {
    "eight bits": {"num_bits": 8, "strategy": "group"},
    "one scale a channel": {"num_bits": 4, "strategy": "channel"},
    "another order of the inputs": {"num_bits": 4, "strategy": "group", "actorder": "group"},
}


def write_config(folder, weights):
    group = {"targets": ["Linear"], "weights": weights}
    quantization = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"0": group}}
    (folder / "config.json").write_text(json.dumps({"quantization_config": quantization}))


@pytest.mark.parametrize("weights", OTHERS.values(), ids=OTHERS)
def test_what_cannot_be_expanded_is_left_to_vllm(tmp_path, monkeypatch, weights):
    write_config(tmp_path, weights)
    monkeypatch.setattr(checkpoint, "has_4bit_kernels", lambda: False)
    assert checkpoint.find_runnable_checkpoint(tmp_path) == tmp_path


def test_expanding_what_cannot_be_expanded_names_what_can(tmp_path):
    write_config(tmp_path, OTHERS["eight bits"])
    with pytest.raises(expand.PackingError, match=r"'num_bits': 8.*want `awq`, or `compressed-tensors`"):
        expand.expand_checkpoint(tmp_path, tmp_path / "expanded")


@pytest.mark.parametrize(
    ("processor", "built_for", "gpus", "there"),
    [
        ("AVX512", None, [], True),
        ("AVX2", None, [], False),
        ("AVX2", "13.0", [], False),
        ("AVX2", "13.0", ["NVIDIA L4"], True),
        ("AVX2", None, ["NVIDIA L4"], False),  # a build for CPUs makes no use of it
    ],
)
def test_4bit_kernels_are_those_of_a_gpu_or_of_avx512(monkeypatch, processor, built_for, gpus, there):
    monkeypatch.setattr(checkpoint.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(checkpoint, "list_gpu_names", lambda: gpus)
    # a process that has asked it cannot be forked for CUDA
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("CUDA has been asked"))
    assert checkpoint.has_4bit_kernels() is there


def test_a_checkpoint_that_is_not_quantised_is_run_as_it_is(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert checkpoint.find_runnable_checkpoint(tmp_path) == tmp_path


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("name", ["model", "compressed"])
def test_4bit_weights_are_expanded_only_where_there_are_no_kernels(tiny_run, monkeypatch, name, kernels):
    folder = tiny_run[0] / "quantize_awq" / name
    monkeypatch.setattr(checkpoint, "has_4bit_kernels", lambda: kernels)
    assert (checkpoint.find_runnable_checkpoint(folder) == folder) is kernels


def test_an_expanded_checkpoint_stays_close_to_the_model_that_was_quantised(tiny_run, tmp_path):
    source = tiny_run[0] / "grpo" / "model"
    expand.expand_checkpoint(tiny_run[0] / "quantize_awq" / "model", tmp_path / "expanded")
    assert "quantization_config" not in json.loads((tmp_path / "expanded" / "config.json").read_text())
    ids = AutoTokenizer.from_pretrained(source)("(1) 3+4=7", return_tensors="pt").input_ids
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder)(ids).logits.softmax(-1)
        for folder in (source, tmp_path / "expanded")
    )
    # 4 bits move each probability of the next token by a few per cent at most
    assert (before - after).abs().max() < 0.05

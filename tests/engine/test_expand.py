"""Expanding AWQ checkpoints into ordinary ones of the same values."""

import json

import pytest
import torch
from awq.utils.packing_utils import dequantize_gemm
from transformers import AutoModelForCausalLM, AutoTokenizer

from fastmath.engine import expand


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


def test_a_checkpoint_that_is_not_quantised_is_run_as_it_is(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert expand.find_runnable_checkpoint(tmp_path) == tmp_path


@pytest.mark.parametrize("kernels", [True, False])
def test_an_awq_checkpoint_is_expanded_only_where_there_are_no_kernels(tiny_run, monkeypatch, kernels):
    folder = tiny_run[0] / "quantize_awq" / "model"
    monkeypatch.setattr(expand, "has_4bit_kernels", lambda: kernels)
    assert (expand.find_runnable_checkpoint(folder) == folder) is kernels


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

"""The estimate of a training's memory against the tensors of a real step of a model of 135M parameters."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from fastmath.planning.memory import (
    Load,
    Precision,
    Sharing,
    estimate_layer_activations,
    estimate_memory,
    estimate_saved_activations,
)
from fastmath.planning.shapes import SHAPES

SMOL = SHAPES["HuggingFaceTB/SmolLM2-135M-Instruct"]
R1 = SHAPES["deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"]
SEQUENCES, LENGTH = 2, 256
FLOAT32, BFLOAT16 = Precision(4, 4), Precision(2, 2)


class Step:
    """One real step: bytes of weights, gradients, moments and of the tensors that autograd kept."""

    def __init__(self, dtype: torch.dtype, load: Load) -> None:
        model = base = AutoModelForCausalLM.from_config(AutoConfig.for_model(**vars(SMOL))).to(dtype)
        if load.lora_rank is not None:
            from peft import LoraConfig, get_peft_model

            model = get_peft_model(model, LoraConfig(r=load.lora_rank, target_modules="all-linear"))
            model.enable_input_require_grads()
        if load.checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if load.fused_head:
            add_fused_lm_head(base, outputs=("log_probs", "entropy", "is_top1"))
        model.train()
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        kept: dict[int, torch.Tensor] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.untyped_storage().data_ptr() not in weights:
                kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        ids = torch.randint(0, SMOL.vocab_size, (SEQUENCES, LENGTH))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            options = {"fused_lm_head": True} if load.fused_head else {}
            loss = model(input_ids=ids, labels=ids, **options).loss
        self.activations = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
        kept.clear()
        loss.backward()
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained)
        optimizer.step()
        self.weights = sum(weight.nbytes for weight in model.parameters())
        self.gradients = sum(weight.grad.nbytes for weight in trained)
        states = [value for state in optimizer.state.values() for value in state.values()]
        self.optimizer = sum(value.nbytes for value in states)


@pytest.mark.slow
@pytest.mark.parametrize("fused_head", [False, True], ids=["transformers", "trl"])
@pytest.mark.parametrize(
    ("dtype", "precision", "rank", "checkpointing"),
    [
        (torch.float32, FLOAT32, None, False),
        (torch.bfloat16, BFLOAT16, 16, False),
        (torch.bfloat16, BFLOAT16, None, True),
        (torch.float32, FLOAT32, 16, True),
    ],
    ids=["full", "lora", "full-checkpointing", "lora-checkpointing"],
)
def test_the_estimate_is_within_15_percent_of_a_real_step(dtype, precision, rank, checkpointing, fused_head):
    load = Load(SEQUENCES * LENGTH, checkpointing, rank, fused_head)
    step = Step(dtype, load)
    estimate = estimate_memory(SMOL, precision, Sharing(), load)
    assert estimate_saved_activations(SMOL, precision, load) == pytest.approx(step.activations, rel=0.15)
    assert estimate.weights == pytest.approx(step.weights, rel=0.15)
    assert estimate.gradients == pytest.approx(step.gradients, rel=0.15)
    assert estimate.optimizer == pytest.approx(step.optimizer, rel=0.15)


def test_a_layer_of_the_worked_example():
    # 2 x (4 + 8) x 576 + 8 = 13,832; 4 x (1,152 + 384) + 36 = 6,180; 4 x 4 x 1,536 = 24,576
    load = Load(tokens=1, checkpointing=False)
    assert estimate_layer_activations(SMOL, FLOAT32, load) == 13_832 + 6_180 + 24_576


def test_zero_cuts_what_its_stage_says():
    load = Load(tokens=1, checkpointing=True)
    deepspeed, p = Precision(2, 2, deepspeed=True), R1.parameters
    two = estimate_memory(R1, deepspeed, Sharing(8, 2), load, optimizer="paged_adamw_8bit", reference=True)
    three = estimate_memory(R1, deepspeed, Sharing(8, 3), load, optimizer="paged_adamw_8bit", reference=True)
    # bfloat16 weights whole or an eighth; float32 copies, gradients and moments an eighth; the reference as the weights
    assert two.weights == 2 * p + 4 * p / 8
    assert three.weights == 2 * p / 8 + 4 * p / 8
    assert two.gradients == three.gradients == 2 * p / 8
    assert two.optimizer == three.optimizer == 2 * p / 8
    assert (two.reference, three.reference) == (2 * p, 2 * p / 8)


def test_adapters_need_no_reference():
    load = Load(tokens=1, checkpointing=True, lora_rank=16)
    assert estimate_memory(R1, BFLOAT16, Sharing(), load, reference=True).reference == 0

"""Memory of one GPU in one step of a training: what stays between steps, and what a step adds.

The activations are those that autograd keeps for the backward pass of the models in transformers with SDPA or a
FlashAttention, counted tensor by tensor in a real step (`tests/planning/test_memory.py` does it again).
"""

from dataclasses import dataclass, fields
from typing import Literal

from fastmath.planning.shapes import ModelShape

GIB = 2**30

MOMENT_BYTES = {"adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "adamw_8bit": 2, "adafactor": 0.01, "sgd": 0}
"""Bytes of an optimiser's state for one trained weight, where it is not two moments in the weight's own precision."""


@dataclass(frozen=True)
class Precision:
    """How a training computes.

    Attributes:
        weight_bytes: size of a weight as it is loaded: 2 (bfloat16) or 4 (float32).
        compute_bytes: size of an activation: 2 under `bf16`, otherwise that of the weights.
        deepspeed: whether DeepSpeed trains, which keeps a float32 copy of every trained weight beside bfloat16 ones.
    """

    weight_bytes: int
    compute_bytes: int
    deepspeed: bool = False


@dataclass(frozen=True)
class Sharing:
    """How a training is cut over GPUs.

    Attributes:
        processes: number of GPUs.
        zero_stage: DeepSpeed's stage: 0 cuts nothing, 1 the optimiser, 2 the gradients, too, 3 also the weights.
    """

    processes: int = 1
    zero_stage: int = 0

    def share(self, from_stage: int) -> float:
        """The part that one GPU holds of what is cut from this stage on."""
        return 1 / self.processes if self.zero_stage >= from_stage else 1.0


@dataclass(frozen=True)
class Load:
    """What one GPU computes at once.

    Attributes:
        tokens: number of tokens of all sequences of a micro-batch together.
        checkpointing: whether only each layer's input is kept, and the rest is computed again.
        lora_rank: rank of the adapters that are trained; None trains all weights.
        fused_head: whether the output layer is computed in tiles, as TRL's trainers do
            (trl/kernels/chunked_logprob.py), so that the logits of a whole sequence never exist; transformers' own loss
            has them all.
        lora_targets: names of the layers with adapters, or `all-linear`.
    """

    tokens: int
    checkpointing: bool
    lora_rank: int | None = None
    fused_head: bool = True
    lora_targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"


@dataclass(frozen=True)
class Memory:
    """Memory of one GPU, in bytes.

    Attributes:
        weights: the model, with the copies in other precisions that training keeps.
        gradients: gradients of the trained weights.
        optimizer: moments of the trained weights.
        reference: the model that GRPO's KL compares with.
        activations: what the backward pass needs, and the logits with their gradient.
    """

    weights: float
    gradients: float
    optimizer: float
    reference: float
    activations: float

    @property
    def resident(self) -> float:
        """What stays between steps."""
        return self.weights + self.optimizer + self.reference

    @property
    def total(self) -> float:
        """All of it, at the height of a step."""
        return sum(getattr(self, field.name) for field in fields(self))


def estimate_layer_activations(shape: ModelShape, precision: Precision, load: Load) -> float:
    """Bytes that autograd keeps of one token in one layer.

    Of each of two norms the input in float32 and the output are kept, and the normalised value where the norm's weight
    is trained; of attention queries, keys, values and output; of the feed-forward layer the gate before and after its
    activation, the other half and their product; of every adapter its inner value, and its input where that is cast.

    Example: SmolLM2-135M in float32 keeps 2 · (4 + 2 · 4) · 576 of the norms, 4 · (2 · 576 + 2 · 192 + 9) of attention
    and 4 · 4 · 1,536 of the rest, 44,580 bytes.
    """
    size, hidden = precision.compute_bytes, shape.hidden_size
    whole = load.lora_rank is None
    norms = 2 * hidden * (4 + (2 if whole else 1) * size) + 2 * 4
    attention = size * (2 * shape.query_width + 2 * shape.key_value_width) + 4 * shape.num_attention_heads
    if shape.model_type == "qwen3":  # norms on queries and keys
        attention += (shape.query_width + shape.key_value_width) * (4 + size)
    feed_forward = 4 * size * shape.intermediate_size
    adapted = {} if load.lora_rank is None else shape.find_adapted(load.lora_targets)
    adapters = 4 * (load.lora_rank or 0) * len(adapted)
    if adapted and size < 4:
        # Every adapter keeps its input in its own float32, in place of those that the norms and the product give.
        adapters += 4 * sum(inputs for inputs, _ in adapted.values())
        norms -= size * hidden * len({"q_proj", "gate_proj"} & adapted.keys())
        feed_forward -= size * shape.intermediate_size * len({"down_proj"} & adapted.keys())
    return norms + attention + feed_forward + adapters


def estimate_saved_activations(shape: ModelShape, precision: Precision, load: Load) -> float:
    """Bytes that autograd keeps from a forward pass; without TRL's head, the log-probabilities of all tokens, too."""
    if load.checkpointing:
        layers = shape.num_hidden_layers * precision.compute_bytes * shape.hidden_size
    else:
        layers = shape.num_hidden_layers * estimate_layer_activations(shape, precision, load)
    last_norm = shape.hidden_size * (4 + 2 * precision.compute_bytes)
    return load.tokens * (layers + last_norm + (0 if load.fused_head else 4 * shape.vocab_size))


def estimate_memory(
    shape: ModelShape,
    precision: Precision,
    sharing: Sharing,
    load: Load,
    *,
    optimizer: str = "adamw_torch",
    reference: bool = False,
) -> Memory:
    """Memory of one GPU at the height of a step.

    Args:
        shape: shape of the model.
        precision: precision of weights and activations.
        sharing: how many GPUs share what.
        load: tokens of a micro-batch, and what is trained.
        optimizer: name of the optimiser, as in `trainer.optim`.
        reference: whether a second model is held for the KL; adapters need none, as they can be switched off.
    """
    lora = load.lora_rank is not None
    trained = shape.parameters if load.lora_rank is None else shape.lora_parameters(load.lora_rank, load.lora_targets)
    frozen = shape.parameters if lora else 0
    stored = 4 if lora else precision.weight_bytes  # peft keeps adapters in float32
    weights = (frozen * precision.weight_bytes + trained * stored) * sharing.share(3)
    if precision.deepspeed:
        weights += 4 * trained * sharing.share(1)
        moment = 4
    else:
        moment = stored
        if precision.compute_bytes < precision.weight_bytes:  # autocast keeps its casts for the backward pass
            weights += precision.compute_bytes * (shape.parameters - shape.vocab_size * shape.hidden_size)
    activations = estimate_saved_activations(shape, precision, load)
    if load.fused_head:  # float32 gradients of the last hidden states and of the output layer
        activations += 4 * load.tokens * shape.hidden_size + (0 if lora else 4 * shape.vocab_size * shape.hidden_size)
    else:  # the logits beside their log-probabilities, and then their gradient
        activations += load.tokens * (precision.compute_bytes + 4) * shape.vocab_size
    # Of a layer that is computed again, all of it.
    if load.checkpointing:
        activations += load.tokens * estimate_layer_activations(shape, precision, load)
    return Memory(
        weights=weights,
        gradients=trained * stored * sharing.share(2),
        optimizer=trained * MOMENT_BYTES.get(optimizer, 2 * moment) * sharing.share(1),
        reference=shape.parameters * precision.weight_bytes * sharing.share(3) if reference and not lora else 0.0,
        activations=activations,
    )

"""Memory for the states of an optimiser, before its first step allocates them."""

import inspect
import logging

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)


def reserve_states(optimizer: object) -> list[Tensor]:
    """Allocate as much memory as the states take that the optimiser does not have yet, and leave it as it is.

    torch's optimisers allocate their states at their first step. DeepSpeed's ZeRO leaves that to them
    (`initialize_optimizer_states` in deepspeed/runtime/zero/stage_1_and_2.py and stage3.py, 0.19.8).

    Args:
        optimizer: a torch optimiser, also within the wrappers of accelerate and DeepSpeed.

    Returns:
        Tensors of the shapes, dtypes and devices of those states; the memory is free again when they are deleted. Empty
        for optimisers that are not torch's, whose states are not known.

    Example: AdamW, at its first step, adds two tensors of the size of each parameter.
    """
    partitions: list[Tensor] | None = None
    while hasattr(optimizer, "optimizer"):
        # ZeRO-3 gives its parameters to the optimiser only while that makes its step.
        partitions = getattr(optimizer, "fp32_partitioned_groups_flat", partitions)
        optimizer = optimizer.optimizer
    if not isinstance(optimizer, torch.optim.Optimizer) or not type(optimizer).__module__.startswith("torch.optim"):
        logger.info("the states of %s are not rehearsed: they are not known", type(optimizer).__name__)
        return []
    parameters = partitions or [each for group in optimizer.param_groups for each in group["params"]]
    return [state for each in parameters if not optimizer.state.get(each) for state in _make_states(optimizer, each)]


def _make_states(optimizer: torch.optim.Optimizer, parameter: Tensor) -> list[Tensor]:
    """Zeros in the place of the states of one parameter, whose shapes a step without data tells."""
    likeness = nn.Parameter(torch.empty_like(parameter, device="meta"))
    likeness.grad = torch.empty_like(likeness)
    accepted = inspect.signature(type(optimizer)).parameters
    plain = {name: False for name in ("foreach", "fused", "capturable") if name in accepted}
    settings = {name: value for name, value in optimizer.defaults.items() if name in accepted} | plain
    probe = type(optimizer)([likeness], **settings)
    probe.step()
    states = [state for state in probe.state[likeness].values() if isinstance(state, Tensor) and state.is_meta]
    return [torch.zeros_like(state, device=parameter.device) for state in states]

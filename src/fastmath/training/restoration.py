"""Putting a trainer back to what it was, after a forward and a backward pass that must leave no trace."""

import contextlib
import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy
import torch
from torch import nn
from trl import GRPOTrainer

BOUNDARY = "_is_gradient_accumulation_boundary"
"""DeepSpeed's note, in the engine and in its optimiser, of whether a step follows the backward pass."""
_ZERO_STATES = (
    "micro_step_id",
    "averaged_gradients",
    "all_grad_tensors",
    "_offload_accumulated_param_ids",
    "_offload_boundary_param_ids",
    BOUNDARY,
)
"""What a backward pass without a step changes in DeepSpeed's ZeRO optimisers (deepspeed/runtime/zero/stage_1_and_2.py
and stage3.py, 0.19.8). Their other buffers are overwritten by the first backward pass after the reset."""


@contextlib.contextmanager
def leave_no_trace(trainer: GRPOTrainer) -> Iterator[None]:
    """Keep, over passes through the model without a step, all of which the further training depends.

    Put back are the random states, the gradients, the modes of the modules, the trainer's attributes and metrics, and
    the accumulation of DeepSpeed's ZeRO. Weights, states of the optimiser and the schedule are not touched by such
    passes. Clocks are not put back.

    Args:
        trainer: a trainer whose training has begun.
    """
    with (
        _keep_random_states(trainer.args.device),
        _keep_attributes(trainer),
        _keep_modes(trainer.model_wrapped),
        _keep_gradients(trainer.model_wrapped),
        _keep_accumulation(trainer),
    ):
        yield


def find_zero(trainer: GRPOTrainer) -> Any | None:
    """DeepSpeed's ZeRO optimiser of stage 1, 2 or 3; None without one."""
    optimizer = trainer.deepspeed.optimizer if trainer.is_deepspeed_enabled else None
    return optimizer if hasattr(optimizer, "micro_step_id") else None


@contextlib.contextmanager
def _keep_random_states(device: torch.device) -> Iterator[None]:
    own, of_numpy = random.getstate(), numpy.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(own)
        numpy.random.set_state(of_numpy)


@contextlib.contextmanager
def _keep_attributes(trainer: GRPOTrainer) -> Iterator[None]:
    kept = dict(vars(trainer))
    metrics = copy.deepcopy(trainer._metrics)  # the loss appends to its lists
    try:
        yield
    finally:
        vars(trainer).clear()
        vars(trainer).update(kept, _metrics=metrics)


@contextlib.contextmanager
def _keep_modes(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _keep_gradients(model: nn.Module) -> Iterator[None]:
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient


@contextlib.contextmanager
def _keep_accumulation(trainer: GRPOTrainer) -> Iterator[None]:
    """Forget the gradients that ZeRO has accumulated, so that the next backward pass is the first of its step."""
    zero = find_zero(trainer)
    if zero is None:
        yield
        return
    boundary = getattr(trainer.deepspeed, BOUNDARY)
    kept = {name: copy.copy(getattr(zero, name)) for name in _ZERO_STATES if hasattr(zero, name)}
    try:
        yield
    finally:
        zero.zero_grad(set_to_none=True)
        vars(zero).update(kept)
        setattr(trainer.deepspeed, BOUNDARY, boundary)

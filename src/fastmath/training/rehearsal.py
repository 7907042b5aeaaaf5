"""A worst step first: memory that does not suffice is found in the first minute, not when the first long answer comes.

Before GRPO's first step the largest micro batch that can occur goes through all that takes memory in a step, and
leaves nothing behind. Left out are what the optimiser's step needs for itself, when the activations are gone; the
sampling of a token; vLLM, which reserves its memory as it starts; the states of optimisers that are not torch's; where
DeepSpeed shares nothing (its stage 0), the backward pass; and all of it under FSDP.
"""

import contextlib
import logging
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOTrainer
from trl.models.utils import disable_gradient_checkpointing, unwrap_model_for_generation
from trl.trainer.utils import use_adapter

from fastmath.runs.files import write_json
from fastmath.training.largest_batch import Sizes, find_longest_prompt, make_batch, measure_sizes, pad_one
from fastmath.training.optimizer_states import reserve_states
from fastmath.training.restoration import find_zero, leave_no_trace

logger = logging.getLogger(__name__)

REPORT = "rehearsal.json"
"""Name of the file, in the stage's folder, with the sizes, the time and the memory of the rehearsal."""
CACHE = "the key-value cache of a generation"
STATES = "the states of the optimiser"
SCORES = "the log-probabilities before the loss"
LOSS = "the loss and its gradients"


class RehearsalMemoryError(RuntimeError):
    """The memory does not suffice for the largest step that can occur."""


class Rehearsal(TrainerCallback):
    """Rehearses the largest step when a training begins, and when it goes on.

    What it has measured is logged and written to `rehearsal.json`: the sizes, `rehearsal_seconds`, and
    `rehearsal_peak_gib`, the largest memory that torch has held on the first process's GPU; without a GPU, the growth
    of the process's largest resident memory.
    """

    def __init__(self, trainer: GRPOTrainer, folder: Path) -> None:
        """Set what to rehearse.

        Args:
            trainer: the trainer to which this callback is added.
            folder: the stage's folder.
        """
        self._trainer, self._folder = trainer, folder

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._trainer.is_fsdp_enabled:
            logger.info("no rehearsal: FSDP shares the gradients in ways of its own")
            return
        began = time.monotonic()
        with _PeakMemory(args.device) as memory:
            sizes = rehearse(self._trainer)
        report = asdict(sizes) | {
            "rehearsal_seconds": round(time.monotonic() - began, 3),
            "rehearsal_peak_gib": round(memory.gib, 3),
        }
        logger.info("rehearsed the largest step: %s", report)
        if state.is_world_process_zero:
            write_json(self._folder / REPORT, report)


def rehearse(trainer: GRPOTrainer) -> Sizes:
    """Take the largest micro batch through a step of a training that has begun, and leave no trace of it.

    Several processes call this together, as each part has the collective operations of a step.

    Args:
        trainer: the trainer, whose model and optimiser are ready.

    Returns:
        The sizes that were rehearsed.

    Raises:
        RehearsalMemoryError: the memory does not suffice.
    """
    prompt = find_longest_prompt(trainer)
    sizes = measure_sizes(trainer, len(prompt))
    with leave_no_trace(trainer):
        trainer.model_wrapped.train()
        trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
        tokens = prompt.repeat(sizes.completion_tokens // len(prompt) + 2)[: len(prompt) + sizes.completion_tokens]
        if sizes.generated_rows:
            with _explain(CACHE, trainer, sizes):
                _fill_cache(trainer, sizes, tokens)
        with _explain(STATES, trainer, sizes):
            reserved = reserve_states(trainer.optimizer)
        with _explain(SCORES, trainer, sizes):
            batch = make_batch(trainer, sizes, tokens)
            batch |= _score(trainer, batch)
        with _explain(LOSS, trainer, sizes):
            # From the second micro batch of a step on, the gradients of the first are there, too.
            for _ in range(min(2, trainer.args.gradient_accumulation_steps)):
                _differentiate(trainer, batch)
        del reserved
    if trainer.args.device.type == "cuda":
        torch.cuda.empty_cache()  # vLLM may want it
    return sizes


@torch.no_grad()
def _fill_cache(trainer: GRPOTrainer, sizes: Sizes, tokens: Tensor) -> None:
    """Generate the first token of all completions, and the last, with the cache that there is by then.

    A single forward over all tokens would need far more than a generation, whose activations are those of the prompt
    at first and then of one token at a time.
    """
    args = trainer.args
    mask = pad_one(tokens.new_ones(sizes.generated_rows, len(tokens)))
    prompts = tokens[: sizes.prompt_tokens].expand(sizes.generated_rows, -1)
    with unwrap_model_for_generation(
        trainer.model_wrapped,
        trainer.accelerator,
        gather_deepspeed3_params=args.ds3_gather_for_generation,
        generation_kwargs=trainer.generation_kwargs,
        gradient_checkpointing_kwargs=args.gradient_checkpointing_kwargs,
    ) as model:
        options = {"use_cache": True, "logits_to_keep": 1}
        cache = model(input_ids=prompts, attention_mask=mask[:, : sizes.prompt_tokens], **options).past_key_values
        for index, layer in enumerate(cache.layers):
            if getattr(layer, "keys", None) is not None:  # linear attention has a state of fixed size
                states = (layer.keys, layer.values)  # (B, heads, T, size)
                cache.update(*(_make_more(each, sizes.completion_tokens - 1) for each in states), index)
        model(input_ids=prompts[:, -1:], attention_mask=mask, past_key_values=cache, **options)


def _make_more(states: Tensor, tokens: int) -> Tensor:
    return states.new_zeros(*states.shape[:-2], tokens, states.shape[-1])


@torch.no_grad()
def _score(trainer: GRPOTrainer, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The log-probabilities (B, T) that TRL computes before the loss, by their names in a batch."""
    args = trainer.args
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    length = batch["completion_ids"].size(1)

    def score(model: nn.Module) -> Tensor:
        return trainer._get_per_token_logps_and_entropies(model, ids, mask, length)[0]

    scores = {}
    with disable_gradient_checkpointing(trainer.model, args.gradient_checkpointing_kwargs):
        misaligned = args.gradient_accumulation_steps % (args.steps_per_generation * args.num_iterations) != 0
        if misaligned or (args.use_vllm and args.vllm_importance_sampling_correction):
            scores["old_per_token_logps"] = score(trainer.model)
        if args.beta and trainer.ref_model is not None:
            scores["ref_per_token_logps"] = score(trainer.ref_model)
        elif args.beta:
            adapted = trainer.accelerator.unwrap_model(trainer.model)
            with use_adapter(adapted, adapter_name="ref" if "ref" in adapted.peft_config else None):
                scores["ref_per_token_logps"] = score(trainer.model)
    return scores


def _differentiate(trainer: GRPOTrainer, batch: dict[str, Tensor]) -> None:
    """Compute the loss and add its gradients, as for a micro batch that no step follows."""
    model, engine = trainer.model_wrapped, trainer.deepspeed if trainer.is_deepspeed_enabled else None
    with trainer.accelerator.no_sync(model):
        with trainer.compute_loss_context_manager():
            loss = trainer.compute_loss(model, batch)
        if engine is None:
            loss.backward()
        elif find_zero(trainer) is None:
            logger.info("no backward pass in the rehearsal: DeepSpeed shares nothing, and could not forget it")
        else:
            engine.set_gradient_accumulation_boundary(False)
            engine.backward(loss, scale_wrt_gas=False)


class _PeakMemory(contextlib.AbstractContextManager["_PeakMemory"]):
    """Measures the largest memory that this process takes; `gib` has it afterwards, in GiB."""

    def __init__(self, device: torch.device) -> None:
        self.gib = 0.0
        self._gpu = device if device.type == "cuda" else None

    def __enter__(self) -> "_PeakMemory":
        self._before = _read_peak_resident()
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)
        return self

    def __exit__(self, *_: object) -> None:
        resident = _read_peak_resident() - self._before
        self.gib = (resident if self._gpu is None else torch.cuda.max_memory_allocated(self._gpu)) / 2**30


def _read_peak_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # bytes


@contextlib.contextmanager
def _explain(part: str, trainer: GRPOTrainer, sizes: Sizes) -> Iterator[None]:
    """Say of an error for want of memory what was rehearsed and what to lower; other errors pass."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        rows = sizes.generated_rows if part == CACHE else sizes.rows
        raise RehearsalMemoryError(
            f"the memory does not suffice for the largest step that can occur, which was rehearsed: {part}, with "
            f"{rows} rows of {sizes.prompt_tokens} prompt tokens, the longest prompt, and {sizes.completion_tokens} "
            f"completion tokens\ntorch says: {str(error).splitlines()[0]}\nto mend it, one or more of these:\n"
            + "\n".join(f"- {each}" for each in _advise(part, trainer))
        ) from error


def _advise(part: str, trainer: GRPOTrainer) -> Iterator[str]:
    args, zero = trainer.args, trainer.deepspeed.zero_optimization_stage() if trainer.is_deepspeed_enabled else 0

    def name(setting: str) -> str:
        return f"`grpo.trainer.{setting}` (now {getattr(args, setting)})"

    yield f"lower {name('max_completion_length')}"
    if part == CACHE:
        # More accumulation alone would let transformers generate as many rows together as before.
        yield f"lower {name('per_device_train_batch_size')} or {name('steps_per_generation')}"
        yield "set `grpo.trainer.use_vllm: true`"
    else:
        yield f"lower {name('per_device_train_batch_size')} and raise {name('gradient_accumulation_steps')} as much"
    if part == LOSS and not args.gradient_checkpointing:
        yield "set `grpo.trainer.gradient_checkpointing: true`"
    if args.use_vllm and args.vllm_mode == "colocate":
        yield f"lower {name('vllm_gpu_memory_utilization')}"
    if zero < 3:
        yield "name an accelerate file that shares more (`grpo.accelerate`)"
    if not is_peft_model(trainer.model):
        yield "train adapters (`grpo.lora`)"

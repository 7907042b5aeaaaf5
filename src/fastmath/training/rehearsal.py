"""A worst step first: memory that does not suffice is found in the first minute, not when the first long answer comes.

Before GRPO's first step the largest micro batch that can occur goes through all that takes memory in a step, and
leaves nothing behind. Left out are what the optimiser's step needs for itself, when the activations are gone; vLLM,
which reserves its memory as it starts; and, where DeepSpeed shares nothing (its stage 0), the backward pass.
"""

import contextlib
import logging
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Sizes:
    """The largest batches that can occur on one process.

    Attributes:
        rows: completions of one micro batch.
        generated_rows: completions that transformers generates together; 0 where it does not generate.
        prompt_tokens: tokens of the longest prompt.
        completion_tokens: tokens of the longest completion.
    """

    rows: int
    generated_rows: int
    prompt_tokens: int
    completion_tokens: int


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
    prompt = _find_longest_prompt(trainer)
    sizes = _measure_sizes(trainer, len(prompt))
    with leave_no_trace(trainer):
        trainer.model_wrapped.train()
        trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
        tokens = prompt.repeat(sizes.completion_tokens // len(prompt) + 2)[: len(prompt) + sizes.completion_tokens]
        if sizes.generated_rows:
            with _explain(CACHE, trainer, sizes):
                _fill_cache(trainer, sizes, tokens)
        with _explain(STATES, trainer, sizes):
            reserved = reserve_states(trainer.optimizer)
        batch = _make_batch(trainer, sizes, tokens)
        with _explain(SCORES, trainer, sizes):
            batch |= _score(trainer, batch)
        with _explain(LOSS, trainer, sizes):
            # From the second micro batch of a step on, the gradients of the first are there, too.
            for _ in range(min(2, trainer.args.gradient_accumulation_steps)):
                _differentiate(trainer, batch)
        del reserved
    if trainer.args.device.type == "cuda":
        torch.cuda.empty_cache()  # vLLM may want it
    return sizes


def _find_longest_prompt(trainer: GRPOTrainer) -> Tensor:
    """The tokens (P,) of the longest prompt of the training set."""
    prompts, _, _ = trainer._tokenize_prompts(list(trainer.train_dataset["prompt"]))
    return torch.tensor(max(prompts, key=len), device=trainer.args.device)


def _measure_sizes(trainer: GRPOTrainer, prompt_tokens: int) -> Sizes:
    args = trainer.args
    completion_tokens = args.max_completion_length
    if args.use_vllm and args.vllm_mode == "colocate" and args.vllm_max_model_length:
        completion_tokens = max(1, min(completion_tokens, args.vllm_max_model_length - prompt_tokens))
    # Continuous batching has a budget of its own for the cache, as vLLM has.
    cached = not args.use_vllm and not args.use_transformers_continuous_batching
    generated = args.per_device_train_batch_size * args.steps_per_generation if cached else 0
    return Sizes(args.per_device_train_batch_size, generated, prompt_tokens, completion_tokens)


@torch.no_grad()
def _fill_cache(trainer: GRPOTrainer, sizes: Sizes, tokens: Tensor) -> None:
    """Generate the first token of all completions, and the last, with the cache that there is by then.

    A single forward over all tokens would need far more than a generation, whose activations are those of the prompt
    at first and then of one token at a time.
    """
    args = trainer.args
    mask = _pad_one(tokens.new_ones(sizes.generated_rows, len(tokens)))
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
                grown = [
                    each.new_zeros(*each.shape[:-2], sizes.completion_tokens - 1, each.shape[-1])
                    for each in (layer.keys, layer.values)
                ]
                cache.update(*grown, index)
        model(input_ids=prompts[:, -1:], attention_mask=mask, past_key_values=cache, **options)


def _make_batch(trainer: GRPOTrainer, sizes: Sizes, tokens: Tensor) -> dict[str, Tensor]:
    """A micro batch as TRL's `_prepare_inputs` returns it: B rows of P prompt tokens and T completion tokens."""
    args = trainer.args
    ids = tokens.repeat(sizes.rows, 1)  # (B, P + T)
    prompts, completions = ids[:, : sizes.prompt_tokens], ids[:, sizes.prompt_tokens :]
    shape = (sizes.rows, sizes.completion_tokens)
    batch = {
        "prompt_ids": prompts,
        "prompt_mask": _pad_one(torch.ones_like(prompts)),
        "completion_ids": completions,
        "completion_mask": torch.ones_like(completions),
        "advantages": torch.ones(sizes.rows, device=args.device),
        "num_items_in_batch": torch.tensor(
            trainer.accelerator.num_processes * args.steps_per_generation * completions.numel(), device=args.device
        ),
    }
    if args.use_vllm:
        batch["sampling_per_token_logps"] = torch.zeros(shape, device=args.device)
        if args.vllm_importance_sampling_correction:
            per_token = args.vllm_importance_sampling_mode.startswith("token")
            ratio = shape if per_token else (sizes.rows, 1)
            batch["importance_sampling_ratio"] = torch.ones(ratio, device=args.device)
    return batch


def _pad_one(mask: Tensor) -> Tensor:
    """The mask (B, T) with the first token of the first row masked out.

    Batches with padding need an explicit attention mask, and those without need none (transformers/masking_utils.py).
    """
    mask[0, 0] = 0
    return mask


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
        self._device = device if device.type == "cuda" else None

    def __enter__(self) -> "_PeakMemory":
        if self._device is None:
            self._before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        else:
            torch.cuda.reset_peak_memory_stats(self._device)
        return self

    def __exit__(self, *_: object) -> None:
        if self._device is None:
            self.gib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._before) / 2**20  # of KiB
        else:
            self.gib = torch.cuda.max_memory_allocated(self._device) / 2**30


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
            f"completion tokens. torch says: {str(error).splitlines()[0]}. To mend it, in `grpo.trainer`: "
            f"{'; '.join(_advise(part, trainer))}"
        ) from error


def _advise(part: str, trainer: GRPOTrainer) -> Iterator[str]:
    args, zero = trainer.args, trainer.deepspeed.zero_optimization_stage() if trainer.is_deepspeed_enabled else 0
    batch = f"`per_device_train_batch_size` (now {args.per_device_train_batch_size})"
    yield f"lower `max_completion_length` (now {args.max_completion_length})"
    if part == CACHE:
        # More accumulation alone would let transformers generate as many rows together as before.
        yield f"lower {batch} or `steps_per_generation` (now {args.steps_per_generation})"
        yield "set `use_vllm: true`"
    else:
        yield f"lower {batch} and raise `gradient_accumulation_steps` (now {args.gradient_accumulation_steps}) as much"
    if part == LOSS and not args.gradient_checkpointing:
        yield "set `gradient_checkpointing: true`"
    if args.use_vllm and args.vllm_mode == "colocate":
        yield f"lower `vllm_gpu_memory_utilization` (now {args.vllm_gpu_memory_utilization})"
    if zero < 3:
        yield "or name an accelerate file that shares more (`grpo.accelerate`)"
    if not is_peft_model(trainer.model):
        yield "or train adapters (`grpo.lora`)"

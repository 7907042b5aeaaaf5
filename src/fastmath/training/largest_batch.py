"""The largest micro batch of GRPO that can occur: the longest prompt in every row, and completions of full length."""

from dataclasses import dataclass

import torch
from torch import Tensor
from trl import GRPOTrainer


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


def find_longest_prompt(trainer: GRPOTrainer) -> Tensor:
    """The tokens (P,) of the longest prompt of the training set."""
    prompts, _, _ = trainer._tokenize_prompts(list(trainer.train_dataset["prompt"]))
    return torch.tensor(max(prompts, key=len), device=trainer.args.device)


def measure_sizes(trainer: GRPOTrainer, prompt_tokens: int) -> Sizes:
    """The largest sizes that the settings allow with prompts of so many tokens."""
    args = trainer.args
    completion_tokens = args.max_completion_length
    if args.use_vllm and args.vllm_mode == "colocate" and args.vllm_max_model_length:
        completion_tokens = max(1, min(completion_tokens, args.vllm_max_model_length - prompt_tokens))
    # Continuous batching has a budget of its own for the cache, as vLLM has.
    cached = not args.use_vllm and not args.use_transformers_continuous_batching
    generated = args.per_device_train_batch_size * args.steps_per_generation if cached else 0
    return Sizes(args.per_device_train_batch_size, generated, prompt_tokens, completion_tokens)


def make_batch(trainer: GRPOTrainer, sizes: Sizes, tokens: Tensor) -> dict[str, Tensor]:
    """A micro batch as TRL's `_prepare_inputs` returns it, without the log-probabilities of the models.

    Args:
        trainer: the trainer.
        sizes: numbers of rows B, of prompt tokens P and of completion tokens T.
        tokens: (P + T,) tokens of every row.
    """
    args = trainer.args
    ids = tokens.repeat(sizes.rows, 1)  # (B, P + T)
    prompts, completions = ids[:, : sizes.prompt_tokens], ids[:, sizes.prompt_tokens :]
    shape = (sizes.rows, sizes.completion_tokens)
    batch = {
        "prompt_ids": prompts,
        "prompt_mask": pad_one(torch.ones_like(prompts)),
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


def pad_one(mask: Tensor) -> Tensor:
    """The mask (B, T) with the first token of the first row masked out.

    Batches with padding need an explicit attention mask, and those without need none (transformers/masking_utils.py).
    """
    mask[0, 0] = 0
    return mask

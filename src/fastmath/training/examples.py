"""Training examples of stage 1: the prompt of inference, the trace, and the end of the text, as token ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import datasets
import polars
from transformers import PreTrainedTokenizerBase

from fastmath.prompts import continue_prompt, write_prompt


class Example(TypedDict):
    """One training example.

    Attributes:
        input_ids: T token ids.
        completion_mask: T flags, 0 for the tokens of the prompt and 1 for those that the model is to write.
    """

    input_ids: list[int]
    completion_mask: list[int]


def encode_examples(
    tokenizer: PreTrainedTokenizerBase, problems: Sequence[str], traces: Sequence[str], system_prompt: str | None
) -> list[Example]:
    """Encode each problem with its trace.

    Prompt and completion are encoded separately, so the ids of the prompt are those of inference: a tokenizer that saw
    the two as one text might join the end of one with the beginning of the other.

    Args:
        tokenizer: the model's tokenizer with its own chat template.
        problems: B problems.
        traces: B normalised traces.
        system_prompt: text of the system turn; None sends none.
    """
    prompts = [write_prompt(tokenizer, problem, system_prompt) for problem in problems]
    completions = [continue_prompt(prompt, trace) for prompt, trace in zip(prompts, traces, strict=True)]
    before, after = (tokenizer(list(texts), add_special_tokens=False)["input_ids"] for texts in (prompts, completions))
    return [
        Example(
            input_ids=[*prompt, *completion, tokenizer.eos_token_id],
            completion_mask=[0] * len(prompt) + [1] * (len(completion) + 1),
        )
        for prompt, completion in zip(before, after, strict=True)
    ]


def read_training_set(path: Path, tokenizer: PreTrainedTokenizerBase, system_prompt: str | None) -> datasets.Dataset:
    """The SFT set with the columns of an `Example`, which TRL's SFTTrainer takes as they are."""
    rows = polars.read_parquet(path, columns=["problem", "generation"])
    examples = encode_examples(tokenizer, rows["problem"].to_list(), rows["generation"].to_list(), system_prompt)
    return datasets.Dataset.from_list(examples)

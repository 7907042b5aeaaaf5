r"""System prompts, generation prompts, and the text that a model is to write after one.

Training, evaluation and kernel ask a problem with the model's own generation prompt, from its chat template. A training
example is this prompt, the trace and the end of the text, encoded one after the other. It is never rendered as an
assistant's turn, because templates change such turns: that of DeepSeek-R1-Distill drops the reasoning.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the extraction of answers imports this module and must work without transformers
    from transformers import PreTrainedTokenizerBase

THINK_START = "<think>"
THINK_END = "</think>"

SYSTEM_PROMPTS: dict[str, str | None] = {
    "none": None,
    # As in the published code, whose double braces reach the model because no `format` is applied.
    "fast_math_sft": r"Please reason step by step, and put your final answer within \boxed{{}}.",
    "fast_math_grpo": (
        "You are a helpful and harmless assistant. You are Qwen developed by Alibaba. You should think step-by-step. "
        r"Return final answer within \boxed{{}}."
    ),
    "boxed": r"Please reason step by step, and put your final answer within \boxed{}.",
    # With the contest's range of answers, which keeps samples from boxing what could not be handed in.
    "aimo2": r"Please reason step by step. The answer is an integer from 0 to 999. Put it within \boxed{}.",
    "aimo3": r"Please reason step by step. The answer is an integer from 0 to 99999. Put it within \boxed{}.",
}

NANO_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}{{ eos_token }}"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
"""Chat template of the embedded model; every other model keeps its own."""


class TraceError(ValueError):
    """A text is no trace; the message says why."""


def normalise_trace(trace: str) -> str:
    r"""A trace in the one form in which it is trained on: `<think>`, reasoning, `</think>`, an empty line, the answer.

    The prompt of inference ends with `<think>` and a newline, so every trace begins with them, also one that a source
    gives without. A trace that is normalised stays as it is.

    Raises:
        TraceError: the reasoning does not end, begins behind other text, or there are several of it.

    Example: `<think>So 7.</think>7` becomes `<think>\nSo 7.\n</think>\n\n7`.
    """
    before, start, rest = trace.partition(THINK_START)
    reasoning, end, answer = (rest if start else before).partition(THINK_END)
    if not end:
        raise TraceError(f"no {THINK_END} in the trace")
    if start and before.strip():
        raise TraceError(f"text before {THINK_START}")
    if THINK_START in reasoning or THINK_START in answer or THINK_END in answer:
        raise TraceError("several reasonings in the trace")
    reasoning, answer = reasoning.strip(), answer.strip()
    normal = f"{THINK_START}\n{reasoning}\n{THINK_END}" if reasoning else f"{THINK_START}\n{THINK_END}"
    return f"{normal}\n\n{answer}" if answer else normal


def continue_prompt(prompt: str, trace: str) -> str:
    r"""The text that a model is to write after a prompt, so that the two together hold a normalised trace.

    Example: after a prompt that ends with `<think>\n` the trace goes on behind these words; after one that ends with
    `<|im_start|>assistant\n` (Qwen3, SmolLM2) the model writes `<think>` itself.
    """
    opened = f"{THINK_START}\n"
    for beginning in (opened, THINK_START):
        if prompt.endswith(beginning) and trace.startswith(beginning):
            return trace.removeprefix(beginning)
    return trace


GenerationEnd = Literal["end_of_text", "think_end", "box"]
"""Where a generation ends: at the model's own end of the text, at the end of its reasoning, or at its first box."""


@dataclass(frozen=True)
class Ending:
    """What ends a generation besides the model's own end tokens, which always do.

    Ends are given whenever a model is sampled and are no part of its folder, so that a published model ends its texts
    as its base model does.

    Attributes:
        token_ids: tokens at which a generation ends.
        strings: texts at which it ends, for a tokenizer in which a mark is several tokens.
    """

    token_ids: tuple[int, ...] = ()
    strings: tuple[str, ...] = ()

    @property
    def stops(self) -> dict[str, list[int] | list[str]]:
        """The ending in the arguments of vLLM's SamplingParams."""
        return {"stop_token_ids": list(self.token_ids), "stop": list(self.strings)}


def find_ending(tokenizer: "PreTrainedTokenizerBase", end: GenerationEnd) -> Ending:
    """What ends a generation at `end`; at a box the caller stops reading, and the reasoning's end is the last resort.

    Example: `think_end` is one token id for DeepSeek-R1-Distill, and a string for Qwen2.5 and SmolLM2, whose
    vocabularies have no token for `</think>`.
    """
    if end == "end_of_text":
        return Ending()
    ids = tokenizer.encode(THINK_END, add_special_tokens=False)
    return Ending(token_ids=(ids[0],)) if len(ids) == 1 else Ending(strings=(THINK_END,))


def count_reasoning_tokens(tokenizer: "PreTrainedTokenizerBase", token_ids: Sequence[int]) -> int:
    """Number of generated tokens up to the end of the reasoning, this included; all of them where it does not end.

    Lengths of models whose generations end at different places are compared by it.

    Example: of `<think>`, `7`, `</think>`, `7` and an end token these are 3, and the last two are the conclusion.
    """
    ending = find_ending(tokenizer, "think_end")
    if ending.token_ids:
        return list(token_ids).index(ending.token_ids[0]) + 1 if ending.token_ids[0] in token_ids else len(token_ids)
    if THINK_END not in tokenizer.decode(token_ids):
        return len(token_ids)
    # The shortest prefix whose text holds the mark, by bisection: a longer one holds it, too.
    return bisect.bisect_left(
        range(len(token_ids)), 1, key=lambda count: THINK_END in tokenizer.decode(token_ids[:count])
    )


def build_messages(problem: str, system_prompt: str | None) -> list[dict[str, str]]:
    """The messages that ask one problem; without a system turn if `system_prompt` is None."""
    user = {"role": "user", "content": problem}
    return [user] if system_prompt is None else [{"role": "system", "content": system_prompt}, user]


def render_prompt(tokenizer: "PreTrainedTokenizerBase", problem: str, system_prompt: str | None) -> list[int]:
    """Token ids of the prompt that asks `problem`, rendered by the chat template of the tokenizer."""
    return tokenizer.encode(write_prompt(tokenizer, problem, system_prompt), add_special_tokens=False)


def write_prompt(tokenizer: "PreTrainedTokenizerBase", problem: str, system_prompt: str | None) -> str:
    """Text of the prompt that asks `problem`, with its special tokens."""
    messages = build_messages(problem, system_prompt)
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

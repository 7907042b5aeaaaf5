r"""All system prompts and chat templates, by name; training, evaluation and kernel of a recipe use the same ones.

A template renders an assistant turn whole, with its reasoning (the native DeepSeek-R1-Distill template drops
everything before `</think>`). A generation prompt ends with `<think>` and a newline. A training example continues
with the same text after its prompt, so that a rendered prompt is a prefix of the rendered example.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
}

_NANO_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}{{ eos_token }}"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)

_DEEPSEEK_R1_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<｜Assistant｜>{{ message['content'] }}{{ eos_token }}"
    "{% elif message['role'] == 'user' %}<｜User｜>{{ message['content'] }}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)

_CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)

CHAT_TEMPLATES: dict[str, str] = {
    "nano": _NANO_TEMPLATE,
    "deepseek_r1": _DEEPSEEK_R1_TEMPLATE,
    "chatml": _CHATML_TEMPLATE,
}


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


def find_end_ids(tokenizer: "PreTrainedTokenizerBase", known: Sequence[int] = ()) -> list[int]:
    """Ids of the stop tokens: `</think>`, the `known` ones and the tokenizer's end-of-sequence token, without repeats.

    Args:
        tokenizer: the model's tokenizer.
        known: stop tokens that the model already has.

    Raises:
        ValueError: the tokenizer does not encode `</think>` as one token.
    """
    ids = tokenizer.encode(THINK_END, add_special_tokens=False)
    if len(ids) != 1:
        raise ValueError(f"{THINK_END} makes {len(ids)} tokens here; want one: add it to the tokenizer before training")
    return list(dict.fromkeys([*ids, *known, tokenizer.eos_token_id]))


def build_messages(problem: str, system_prompt: str | None) -> list[dict[str, str]]:
    """The messages that ask one problem; without a system turn if `system_prompt` is None."""
    user = {"role": "user", "content": problem}
    return [user] if system_prompt is None else [{"role": "system", "content": system_prompt}, user]


def render_prompt(tokenizer: "PreTrainedTokenizerBase", problem: str, system_prompt: str | None) -> list[int]:
    """Token ids of the prompt that asks `problem`, rendered by the chat template of the tokenizer."""
    messages = build_messages(problem, system_prompt)
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]

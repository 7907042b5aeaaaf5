"""Questions as a contest's server passes them, read as text, and prompts that are too long for the context."""

import logging
from collections.abc import Sequence
from typing import Any

from fastmath.engine.vllm import Engine
from fastmath.prompts import render_prompt

logger = logging.getLogger(__name__)


def read_text(value: Any) -> str:
    """Read the single value of a column as text.

    Args:
        value: a polars or pandas Series, an array or a list, whose first element is read; or the value itself. An empty
            column, a null and NaN give the empty text. Bytes are decoded as UTF-8.

    Returns:
        Text that can be encoded: invalid characters, such as half of a surrogate pair, become `?` or U+FFFD.
    """
    if hasattr(value, "to_list") or hasattr(value, "tolist"):
        value = value.to_list() if hasattr(value, "to_list") else value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        value = value[0] if value else None
    if value is None or value != value:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode("utf-8")


def make_prompt(engine: Engine, question: str, system_prompt: str | None, budget: int) -> list[int]:
    """Token ids of a question's prompt; its middle is cut if too little of the context is left for reasoning.

    Args:
        engine: engine whose tokenizer has the chat template, and whose context holds a prompt and its sample.
        question: text of the question.
        system_prompt: text of the system turn; None = no such turn.
        budget: most tokens of a sample. They or half of the context, whichever is less, are left.
    """
    prompt = render_prompt(engine.tokenizer, question, system_prompt)
    most = engine.context_tokens - min(budget, engine.context_tokens // 2)
    if len(prompt) > most:
        logger.warning("the middle of a prompt of %d tokens is cut to fit %d: %.100s", len(prompt), most, question)
    return fit_prompt(prompt, most)


def fit_prompt(prompt: Sequence[int], most: int) -> list[int]:
    """Shorten a prompt to at most `most` tokens: a longer one loses its middle and keeps both ends.

    A question says at its start or its end what it asks for, and the template's markers stand at both ends.

    Example: 1, 2, 3, 4, 5 becomes 1, 2, 4, 5 with at most 4 tokens, and 1, 4, 5 with at most 3.
    """
    if len(prompt) <= most:
        return list(prompt)
    head = most // 2
    return [*prompt[:head], *prompt[len(prompt) - (most - head) :]]

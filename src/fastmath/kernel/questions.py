"""What a contest's server hands over as a question, read as text, and prompts that are too long for the context."""

from collections.abc import Sequence
from typing import Any


def read_text(value: Any) -> str:
    """The one value of a column as text.

    Args:
        value: a polars or pandas Series, an array or a list, of which the first element counts; or the value itself.
            Nothing at all, a null and NaN are the empty text. Bytes are read as UTF-8.

    Returns:
        Text that can be encoded: what is no character, such as half of a surrogate pair, becomes `?` or U+FFFD.
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


def fit_prompt(prompt: Sequence[int], most: int) -> list[int]:
    """The prompt in at most `most` tokens: of a longer one the middle is left out, its two ends are kept.

    A question says what is wanted at its end or at its start, and the template's markers stand around it.

    Example: 1, 2, 3, 4, 5 in at most 4 tokens is 1, 2, 4, 5; in at most 3 it is 1, 4, 5.
    """
    if len(prompt) <= most:
        return list(prompt)
    head = most // 2
    return [*prompt[:head], *prompt[len(prompt) - (most - head) :]]

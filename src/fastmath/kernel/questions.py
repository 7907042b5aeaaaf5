"""Questions as a contest's server passes them, read as text, and prompts that are too long for the context."""

from collections.abc import Sequence
from typing import Any


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


def fit_prompt(prompt: Sequence[int], most: int) -> list[int]:
    """Shorten a prompt to at most `most` tokens: a longer one loses its middle and keeps both ends.

    A question says at its start or its end what it asks for, and the template's markers stand at both ends.

    Example: 1, 2, 3, 4, 5 becomes 1, 2, 4, 5 with at most 4 tokens, and 1, 4, 5 with at most 3.
    """
    if len(prompt) <= most:
        return list(prompt)
    head = most // 2
    return [*prompt[:head], *prompt[len(prompt) - (most - head) :]]

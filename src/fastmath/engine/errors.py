"""Errors as short texts: Kaggle drops the connection to a kernel that sends a message of more than 8 KB."""

import traceback

MAX_ERROR_CHARACTERS = 500
"""Longest error in a record or a message, in characters."""

MAX_LOGGED_BYTES = 6000
"""Longest traceback in the log, in bytes; it stays below Kaggle's limit with room for the rest of the message."""


def name_error(error: BaseException) -> str:
    """The error's class and text, cut to `MAX_ERROR_CHARACTERS`."""
    try:
        return f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
    except BaseException as second:  # noqa: BLE001 - an error whose text cannot be read must not cost the answer
        return f"{type(error).__name__}, whose text raised {type(second).__name__}"


def describe_error(error: BaseException) -> str:
    """The traceback as text of at most `MAX_LOGGED_BYTES`; a longer one loses its middle."""
    raw = "".join(traceback.format_exception(error)).encode(errors="backslashreplace")
    if len(raw) > MAX_LOGGED_BYTES:
        half = MAX_LOGGED_BYTES // 2 - 20
        raw = raw[:half] + f"\n... {len(raw) - 2 * half} bytes ...\n".encode() + raw[-half:]
    return raw.decode(errors="ignore")

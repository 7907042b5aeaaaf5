"""Errors as short texts: Kaggle loses the connection over messages of more than 8 KB."""

import traceback

MAX_ERROR_CHARACTERS = 500
"""Kaggle loses the connection over messages of more than 8 KB."""


MAX_LOGGED_BYTES = 6000
"""Longest error in the log; Kaggle loses the connection over messages of more than 8 KB."""


def name_error(error: BaseException) -> str:
    """The error's class and text, at most `MAX_ERROR_CHARACTERS` of it."""
    try:
        return f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
    except BaseException as second:  # noqa: BLE001 - an error that cannot say what it is may not cost the answer
        return f"{type(error).__name__}, whose text raised {type(second).__name__}"


def describe_error(error: BaseException) -> str:
    """The traceback as text of at most `MAX_LOGGED_BYTES`; of a longer one the middle is left out."""
    raw = "".join(traceback.format_exception(error)).encode(errors="backslashreplace")
    if len(raw) > MAX_LOGGED_BYTES:
        half = MAX_LOGGED_BYTES // 2 - 20
        raw = raw[:half] + f"\n... {len(raw) - 2 * half} bytes ...\n".encode() + raw[-half:]
    return raw.decode(errors="ignore")

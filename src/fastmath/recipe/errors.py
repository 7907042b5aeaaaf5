"""Errors about settings; their messages suggest the nearest valid name."""

import difflib
from collections.abc import Iterable

MOST_LISTED = 30
"""Largest number of valid names that an error message lists."""


class SettingsError(ValueError):
    """A setting is unknown, malformed or contradicts another; the message says which one and how to correct it."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error message that suggests valid names.

    Args:
        name: the invalid name.
        known: the valid names.

    Returns:
        "; did you mean" with the nearest valid name. If none is similar, the list of all valid names, or empty text
        when there are more than `MOST_LISTED`.
    """
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f"; did you mean {nearest[0]!r}?"
    return f"; want one of {', '.join(names)}" if len(names) <= MOST_LISTED else ""


def require_known(label: str, value: str, known: Iterable[str]) -> None:
    """Refuse a name that is not among `known`.

    Args:
        label: option or dotted key that was set to the name; the error message begins with it.
        value: the name to check.
        known: the valid names.

    Raises:
        SettingsError: the name is not valid; the message gives the nearest valid name, or all of them.
    """
    names = sorted(known)
    if value not in names:
        raise SettingsError(f"{label} is {value!r}{suggest(value, names)}")

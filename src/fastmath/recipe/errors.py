"""What is wrong with a setting, said with the nearest valid name."""

import difflib
from collections.abc import Iterable

MOST_LISTED = 30


class SettingsError(ValueError):
    """A setting is unknown, malformed or contradicts another; the message says which and how to mend it."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest valid name, else all of them where they are few."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f"; did you mean {nearest[0]!r}?"
    return f"; want one of {', '.join(names)}" if len(names) <= MOST_LISTED else ""


def require_known(label: str, value: str, known: Iterable[str]) -> None:
    """Refuse a name that is not among `known`.

    Args:
        label: what the name was given for, an option or a dotted key; the message begins with it.
        value: the name.
        known: the valid ones.

    Raises:
        SettingsError: it is not; the message holds the nearest valid name, or all of them.
    """
    names = sorted(known)
    if value not in names:
        raise SettingsError(f"{label} is {value!r}{suggest(value, names)}")

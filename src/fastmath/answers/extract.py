r"""Extraction of the answer from a completion: the last complete `\boxed{…}`, by default within the reasoning.

Every function takes time linear in the length of the text, whatever the model wrote.
"""

import re
from typing import Literal, assert_never

from fastmath.answers.integers import to_int
from fastmath.prompts import THINK_END

__all__ = ["AnswerPlace", "extract_answer", "extract_boxed", "find_box", "to_int"]

AnswerPlace = Literal["reasoning", "anywhere", "after"]

_BOX = r"\\(?:boxed|fbox)(?![A-Za-z])"
_BOX_START = re.compile(_BOX)
# Two backslashes before `boxed` are one that was escaped once too often, and the box counts. Any other backslash hides
# the character after it, such as the brace of `\{`.
_TOKEN = re.compile(rf"(?P<box>{_BOX})|\\(?!{_BOX}).|(?P<open>\{{)|(?P<close>\}})", re.DOTALL)
_SPACES = re.compile(r"\s*+")
_BARE_NUMBER = re.compile(r"[+-]?[0-9](?:[0-9.,]*[0-9])?")
_BLANK = re.compile(r"(?:[\s{}$~]|\\[,;:! ])*+")


def extract_boxed(text: str) -> str | None:
    r"""Content of the last complete, non-empty `\boxed{…}` or `\fbox{…}`, stripped; None where there is none.

    Braces inside a box may be nested or escaped, and a bare number may follow the command (`\boxed 7`). Where one box
    contains another, the inner one counts. A box that is never closed or contains only spaces is skipped.

    Example: `\boxed{1}, no, \boxed{\frac{1}{2}} and \boxed{` gives `\frac{1}{2}`.
    """
    span = find_box(text)
    return None if span is None else text[slice(*span)].strip()


def find_box(text: str) -> tuple[int, int] | None:
    """Where the content of the box begins and ends that `extract_boxed` reads; None where there is none."""
    first = _BOX_START.search(text)
    if first is None:
        return None
    for start, end in reversed(_find_boxes(text, first.start())):
        # Linear time: the match stops where visible text begins, and an empty box contains no other box.
        if end is not None and not _BLANK.fullmatch(text, start, end):
            return start, end
    return None


def extract_answer(text: str, where: AnswerPlace = "reasoning", *, require_finished: bool = True) -> str | None:
    r"""The boxed answer of a completion.

    Args:
        text: completion without its prompt; the prompt has already opened the reasoning.
        where: part of the text to search. `reasoning` is everything before the first `</think>`, where inference
            stops; `after` is everything behind it; `anywhere` is the whole text.
        require_finished: whether a text without `</think>`, which was cut off, counts as having no answer. False
            treats all of such a text as reasoning.

    Example: `so \boxed{7}.\n</think>` gives `7`; `so \boxed{7}. But wait` gives None.
    """
    reasoning, end, rest = text.partition(THINK_END)
    if require_finished and not end:
        return None
    match where:
        case "reasoning":
            return extract_boxed(reasoning)
        case "after":
            return extract_boxed(rest)
        case "anywhere":
            return extract_boxed(text)
        case _:
            assert_never(where)


def _find_boxes(text: str, position: int) -> list[tuple[int, int | None]]:
    """(start, end) of the content of every box from `position` on, in order of starts; end is None if not closed."""
    boxes: list[tuple[int, int | None]] = []
    open_braces: list[int | None] = []  # the box that each open brace belongs to
    box_expected_at: int | None = None
    for token in _TOKEN.finditer(text, position):
        if token["box"]:
            start = _SPACES.match(text, token.end()).end()
            number = _BARE_NUMBER.match(text, start)
            if number:
                boxes.append(number.span())
            box_expected_at = start
        elif token["open"]:
            belongs_to_box = token.start() == box_expected_at
            open_braces.append(len(boxes) if belongs_to_box else None)
            if belongs_to_box:
                boxes.append((token.end(), None))
        elif token["close"] and open_braces:
            box = open_braces.pop()
            if box is not None:
                boxes[box] = (boxes[box][0], token.start())
    return boxes

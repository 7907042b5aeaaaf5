"""Texts in parts: with the boxes apart that may hold the answer, and with what is left out of a long text told."""

from collections.abc import Sequence

Part = str | int | tuple[str]
"""A part of a text: text, the number of characters that are left out, or the content of a box in a tuple."""
Stretch = tuple[int, int]
"""Where a stretch of a text begins and ends."""


def split_text(text: str, limit: int, boxes: Sequence[Stretch] = ()) -> list[Part]:
    """A text in parts, shortened where it has more than `limit` characters.

    Of a long text a third of the limit is shown at its beginning, a third at its end, and a third around its boxes.

    Args:
        text: the text.
        limit: number of characters of which none are left out.
        boxes: where the contents of its boxes begin and end, in order.

    Example: `aaaaaabbb7bbbcccccc` with a limit of 9 and the box (9, 10) gives `aaa`, 5, `b`, (`7`,), `b`, 5 and `ccc`.
    """
    parts: list[Part] = []
    end = 0
    for first, last in _choose_stretches(len(text), limit, boxes):
        parts += [first - end] if first > end else []
        parts += _mark_boxes(text, (first, last), boxes)
        end = last
    return parts


def _choose_stretches(length: int, limit: int, boxes: Sequence[Stretch]) -> list[Stretch]:
    """The stretches of a text that are shown, in order and apart from each other; the last one ends with the text."""
    if length <= limit:
        return [(0, length)]
    third = limit // 3
    wanted = [(0, third), (length - third, length)]
    for first, last in boxes:
        around = max(0, third // len(boxes) - (last - first)) // 2
        wanted.append((max(0, first - around), min(length, last + around)))
    merged: list[Stretch] = []
    for first, last in sorted(wanted):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _mark_boxes(text: str, shown: Stretch, boxes: Sequence[Stretch]) -> list[Part]:
    parts: list[Part] = []
    done, last = shown
    for begin, end in boxes:
        if done <= begin and end <= last:
            parts += [text[done:begin], (text[begin:end],)]
            done = end
    return [part for part in [*parts, text[done:last]] if part != ""]

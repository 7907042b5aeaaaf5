"""Texts in parts: what is shown of a long one, and where its boxes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.page.excerpts import split_text


def test_a_short_text_is_shown_whole() -> None:
    assert split_text("abc", 3) == ["abc"]


def test_of_a_long_text_the_ends_and_the_surroundings_of_the_box_are_shown() -> None:
    # A third of 9 at each end, and a third around the box: one character on either side of it.
    assert split_text("aaaaaabbb7bbbcccccc", 9, [(9, 10)]) == ["aaa", 5, "b", ("7",), "b", 5, "ccc"]


def test_without_a_box_the_middle_is_left_out() -> None:
    assert split_text("aaaabbbbcccc", 6) == ["aa", 8, "cc"]


def test_a_box_at_the_end_is_marked_there() -> None:
    assert split_text("so 7.", 99, [(3, 4)]) == ["so ", ("7",), "."]


def test_two_boxes_are_marked_in_order() -> None:
    assert split_text("1 2", 99, [(0, 1), (2, 3)]) == [("1",), " ", ("2",)]


def test_an_empty_text_has_no_parts() -> None:
    assert split_text("", 9) == []


@given(st.text(min_size=1, max_size=60), st.integers(0, 30), st.data())
def test_shown_and_left_out_make_up_the_text(text: str, limit: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(text) - 1))
    box = (first, data.draw(st.integers(first + 1, len(text))))
    place = 0
    for part in split_text(text, limit, [box]):
        shown = part[0] if isinstance(part, tuple) else part
        if isinstance(shown, str):
            assert text.startswith(shown, place)
        place += shown if isinstance(shown, int) else len(shown)
    assert place == len(text)


@pytest.mark.parametrize("limit", [0, 6, 12, 1000])
def test_a_box_is_shown_however_long_the_text_is(limit: int) -> None:
    assert ("7",) in split_text("a" * 500 + "7" + "b" * 400, limit, [(500, 501)])

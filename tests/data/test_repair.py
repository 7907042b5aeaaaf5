"""LaTeX commands that lost their backslash to an escape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.data.repair import Repair, repair_text


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("$\x0crac{1}{2}$", r"$\frac{1}{2}$"),
        ("\x08oxed{7}", r"\boxed{7}"),
        ("3\times 4", r"3\times 4"),
        ("\text{cm}", r"\text{cm}"),
        ("\x0bec{v} \x07lpha", r"\vec{v} \alpha"),
        ("\\left(1\right) and $\rho$", r"\left(1\right) and $\rho$".replace("\\left", r"\left")),
        ("\\langle 1\rangle", r"\langle 1\rangle"),
        ("$x \neq 3$, \nabla f", r"$x \neq 3$, \nabla f"),
        ("\tfrac12 \therefore", r"\tfrac12 \therefore"),
    ],
)
def test_a_command_of_which_there_is_one_reading_is_made_whole(text, repaired):
    assert repair_text(text).text == repaired
    assert repair_text(text).broken == 0


@pytest.mark.parametrize(
    "text", ["a\tb", "\tan apple", "\to the right", "line\nline", "a\neq. 5 says", r"\frac{1}{2}", "naïve 日本"]
)
def test_layout_and_sound_text_stay_as_they_are(text):
    assert repair_text(text) == Repair(text, 0, 0)


def test_a_control_character_without_a_reading_is_counted_and_stays():
    assert repair_text("\x0czzz \x00") == Repair("\x0czzz \x00", 0, 2)


def test_a_word_at_the_beginning_of_a_line_is_no_command():
    assert repair_text("first\rangle ABC\rfloor").text == "first\nangle ABC\nfloor"


def test_mixed_line_ends_become_line_feeds():
    assert repair_text("a\r\nb\rc\n").text == "a\nb\nc\n"


@given(st.text(max_size=80))
def test_repairing_twice_changes_nothing_more(text):
    once = repair_text(text).text
    assert repair_text(once).text == once

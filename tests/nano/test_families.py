"""The families of embedded problems: a text is read back into the parameters that it states."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.nano.families import FAMILIES, Difficulty

ALL_FAMILIES = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
DIFFICULTIES = st.builds(Difficulty, st.integers(1, 12), st.integers(2, 9))


def state_problem(family, seed, difficulty):
    return family.state(family.draw(random.Random(seed), difficulty))


@ALL_FAMILIES
@given(seed=st.integers(0, 10**6), difficulty=DIFFICULTIES)
@settings(max_examples=60, deadline=None)
def test_a_stated_problem_gives_its_parameters_again(family, seed, difficulty):
    parameters = family.draw(random.Random(seed), difficulty)
    assert family.parse(family.state(parameters)) == parameters


@ALL_FAMILIES
@given(seed=st.integers(0, 10**6), difficulty=DIFFICULTIES)
@settings(max_examples=20, deadline=None)
def test_a_problem_belongs_to_one_family(family, seed, difficulty):
    text = state_problem(family, seed, difficulty)
    assert [other.name for other in FAMILIES if other.parse(text) is not None] == [family.name]


@ALL_FAMILIES
@given(
    seed=st.integers(0, 10**6), difficulty=DIFFICULTIES, place=st.integers(0, 10**6), added=st.sampled_from("x -(.\n")
)
@settings(max_examples=60, deadline=None)
def test_a_text_with_one_character_more_gives_none(family, seed, difficulty, place, added):
    text = state_problem(family, seed, difficulty)
    place %= len(text) + 1
    assert family.parse(text[:place] + added + text[place:]) is None


@ALL_FAMILIES
@given(text=st.text() | st.text("0123456789^(). "))
def test_any_other_text_gives_none(family, text):
    assert family.parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Find the remainder when 0432^(6) is divided by 10.",
        "Find the remainder when 432^(6) is divided by 7.",
        "Find the remainder when 43٢^(6) is divided by 10.",
        "Find the sum of the (3) digits of 12.",
        "Start with 3 and do 2 steps: (1) add 4. Find the last digit of the result.",
        "Start with 3 and do 2 steps: (1) add 4. (3) add 5. Find the last digit of the result.",
        "Consider these 1 numbers: (1) 12. How many of them are divisible by 0?",
        f"Find the sum of the (5000) digits of {'1' * 5000}.",
        "",
    ],
)
def test_what_no_family_would_state_gives_none(text):
    assert [family.parse(text) for family in FAMILIES] == [None] * len(FAMILIES)

"""Held-out problems and repetitions, found by text, by n-gram and by MinHash."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.data.decontaminate import HeldOut, HeldOutProblem, Match, find_near_duplicates, normalize_problem
from helpers.files import FIXTURES, SHARED, needs_shared

LONG = "Alice and Bob walk from A to B at 3 and 4 kilometres an hour and meet after 7 hours where is B"


def index(*problems, ngram=8, share=0.8):
    return HeldOut([HeldOutProblem("set", str(i), text) for i, text in enumerate(problems)], ngram, share)


def load(name, folder=SHARED):
    return [json.loads(line)["problem"] for line in (folder / "problems" / f"{name}.jsonl").read_text().splitlines()]


def test_normalisation_ignores_markup_and_spacing():
    assert normalize_problem("Find  $x$ if \\(x+1=2\\).") == normalize_problem("find x if x+1 = 2")


def test_normalisation_keeps_numbers_apart():
    assert normalize_problem("A sequence begins 15, 2") != normalize_problem("A sequence begins 1, 52")


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing_more(text):
    assert normalize_problem(normalize_problem(text)) == normalize_problem(text)


def test_the_same_letters_and_digits_are_the_same_problem():
    assert index("Find x: x+1 = 2").match("find   $x$, x + 1 = 2 ") == Match("set", "0", 1.0, exact=True)


def test_a_short_problem_is_matched_by_its_text_alone():
    assert index("Find 3 + 4.").match("Find 3 + 5.") is None


def test_most_of_the_ngrams_are_a_match():
    # Of 23 words' 16 n-grams of 8, the last word stands in one: 15/16 = 0.94.
    match = index(LONG).match(LONG.replace("where is B", "where is C"))
    assert (match.exact, round(match.share, 2)) == (False, 0.94)


def test_a_number_in_the_middle_breaks_the_ngrams_around_it():
    # The word at place 19 of 23 stands in the n-grams that start at 12 to 16: 5 of 16 are broken, 0.69 are left.
    assert index(LONG).match(LONG.replace("after 7", "after 9")) is None
    assert index(LONG, share=0.6).match(LONG.replace("after 7", "after 9")) is not None


def test_the_most_similar_problem_is_named():
    assert index(LONG + " now and then", LONG).match("So " + LONG).id == "1"


def test_problems_that_stand_in_a_held_out_set_are_found_also_where_they_are_reworded():
    held_out = index(*load("held_out", FIXTURES))
    found = [held_out.match(problem) for problem in load("training", FIXTURES)]
    # The first has other markup, the second other words around it; the others are problems of their own.
    assert [match and (match.id, match.exact) for match in found] == [("0", True), ("1", False), None, None, None]


@needs_shared
def test_problems_of_math_train_that_stand_in_the_aime_are_found():
    held_out = index(*load("aime_1983_2023"))
    found = [held_out.match(problem) for problem in load("math_train")]
    # 356 share all letters and digits, a known fact of these files; the others differ by a figure's code or a word.
    assert sum(match is not None and match.exact for match in found) == 356
    assert sum(match is not None and not match.exact for match in found) == pytest.approx(30, abs=15)


@needs_shared
@pytest.mark.parametrize("name", ["aime_2024", "aime_2025", "amc23"])
def test_no_problem_of_math_train_stands_in_a_later_set(name):
    held_out = index(*load(name))
    assert [problem for problem in load("math_train") if held_out.match(problem)] == []


@needs_shared
def test_math_train_shares_no_text_with_math_500_but_templates():
    held_out = index(*load("math500"))
    found = [match for problem in load("math_train") if (match := held_out.match(problem))]
    # The sets are disjoint; what is found are twins that ask the same of another point, graph or word.
    assert not any(match.exact for match in found)
    assert 0 < len(found) < 40


def test_a_reworded_problem_is_a_near_duplicate_of_the_earlier_one():
    problems = [LONG, "Find the sum of 3 and 4.", "Kindly: " + LONG]
    assert find_near_duplicates(problems, 0.8) == {2: 0}


def test_other_numbers_make_another_problem():
    assert find_near_duplicates([LONG, LONG.replace("7", "8")], 0.5) == {}


def test_other_words_make_another_problem():
    assert find_near_duplicates(["Add 3 to 4 and say what you get", "Take 3 from 4 times itself"], 0.8) == {}


@pytest.mark.parametrize("problem", ["∑ ∀", "", "?"])
def test_a_held_out_row_without_a_word_keeps_nothing_out(problem):
    assert index("", "∀ ∑").match(problem) is None

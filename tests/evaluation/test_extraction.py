"""Counts of how answers are extracted: hand-made samples, and the search for a right answer in a text."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.evaluation.extraction import (
    BY_CHANCE,
    ExtractionCounts,
    count_extraction,
    find_in_text,
    render_extraction,
)
from fastmath.sampling.samples import SAMPLE_SCHEMA

PROBLEMS = pl.DataFrame({"id": ["p", "q"], "problem": ["…", "…"], "answer": ["25", r"\frac{1}{2}"]})
DRAWN = [
    # problem, text, answer, correct, finish_reason
    ("p", r"\boxed{25}</think>", "25", True, "stop"),
    ("p", r"it is 25, so \boxed{1025}</think>", "1025", False, "stop"),  # out of range; the right one is in the text
    ("p", r"\boxed{x+1}</think>", "x+1", False, "stop"),  # no integer, and the gold one is
    ("p", "I think it is 25", None, False, "length"),  # cut, with the right one in the text
    ("p", "I do not know</think>", None, False, "stop"),  # ended without a box
    ("p", r"</think>\boxed{25}", None, False, "stop"),  # a box where none is read
    ("q", r"\boxed{x+1}</think>", "x+1", False, "stop"),  # no integer, but neither is the gold one
    ("q", r"it is \dfrac{1}{ 2}", None, False, "length"),  # cut, with the right one in the text
]


def make_samples(drawn=DRAWN):
    rows = [(p, n, text, a, c, 9, 9, reason, n) for n, (p, text, a, c, reason) in enumerate(drawn)]
    return pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row")


def test_every_count_is_that_of_the_hand_made_samples():
    assert count_extraction(make_samples(), PROBLEMS, (0, 999)) == ExtractionCounts(
        samples=8,
        correct=1,
        answered=4,
        cut=2,
        ended_without_box=1,
        box_not_read=1,
        not_integer=1,
        out_of_range=1,
        right_in_text=4,
    )


def test_without_a_range_no_answer_is_out_of_it():
    assert count_extraction(make_samples(), PROBLEMS).out_of_range is None


def test_votes_without_texts_tell_nothing_of_texts():
    samples = make_samples().with_columns(
        pl.lit(None, pl.String).alias("text"), pl.lit(None, pl.String).alias("finish_reason")
    )
    counted = count_extraction(samples, PROBLEMS)
    assert (counted.cut, counted.ended_without_box, counted.box_not_read, counted.right_in_text) == (None,) * 4
    assert counted.answered == 4


def test_a_problem_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="1 problems of the samples are unknown, such as 'q'"):
        count_extraction(make_samples(), PROBLEMS.head(1))


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("25", "the answer is 25."),
        ("25", "the answer is 25"),
        ("25", "AIME answers have three digits: 025"),
        ("25", "it is 25.0, so"),
        ("25", "$x=25$"),
        ("25", "(5,25)"),
        ("25", r"\boxed{25}"),
        ("1024", "is 1,024."),
        ("1024", r"is 1{,}024"),
        ("1024", r"is $1\,024$"),
        ("1024", r"is $1,\!024$"),
        ("1234567", "1,234,567 and 1"),
        ("-3", "it is -3"),
        ("-3", "it is −3"),
        ("0", "so 0."),
        (r"\frac{1}{2}", r"\dfrac{1}{2}"),
        (r"\frac{1}{2}", r"\frac {1} { 2 }"),
        (r"(1, 2)", r"\left(1,2\right)"),
        ("1.5", "is 1.5."),
        ("x+1", "f = x + 1"),
        ("even", "n is even"),
    ],
)
def test_an_answer_of_its_own_is_found(gold, text):
    assert find_in_text(gold)(text)


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("25", "125"),
        ("25", "250"),
        ("25", "25.5"),
        ("25", "3.25"),
        ("25", "0.025"),
        ("25", "25,000"),
        ("25", "-25"),
        ("24", "1,024"),
        ("24", r"1{,}024"),
        ("7", "1,007"),
        ("234", "1,234"),
        ("234", r"1\,234"),
        ("1", "1,024"),
        ("25", "x25"),
        ("1024", "11,024"),
        ("1024", "1,024,000"),
        ("-3", "5-3"),
        ("-3", "3"),
        (r"\frac{1}{2}", r"\frac{1}{25}"),
        (r"\frac{1}{2}", r"\frac{11}{2}"),
        ("1.5", "11.5"),
        ("1.5", "1.55"),
        (r"\pi", r"\pitchfork"),
        ("even", "eleven"),
        ("even", "evenly"),
        ("$", "anything"),
    ],
)
def test_a_part_of_another_answer_is_not_found(gold, text):
    assert not find_in_text(gold)(text)


@given(
    value=st.integers(-(10**9), 10**9),
    before=st.sampled_from(["", "is ", "(", "= $"]),
    behind=st.text("., )$", max_size=3),
)
def test_any_integer_is_found_between_words_and_signs(value, before, behind):
    # A comma or a point behind the number is punctuation, since no digit follows it.
    assert find_in_text(str(value))(f"{before}{value}{behind}")
    assert find_in_text(str(value))(f"{before}{value:,}{behind}")


@given(value=st.integers(0, 10**6), longer=st.integers(0, 10**9))
def test_no_integer_is_found_in_another(value, longer):
    found = find_in_text(str(value))
    assert found(str(longer)) == (value == longer)
    assert found(f"{longer:,}") == (value == longer)


@given(st.text(max_size=30), st.text("0123456789,.{}\\ abfrac", max_size=60))
def test_no_gold_and_no_text_breaks_the_search(gold, text):
    assert find_in_text(gold)(text) in (True, False)


def test_the_table_has_counts_and_shares_and_warns_of_chance():
    counted = {"mine": count_extraction(make_samples(), PROBLEMS)}
    header, rule, row, empty, warning = render_extraction(counted).splitlines()
    assert header.startswith("| model | samples | correct | answered | cut | ended without box |")
    assert rule.count("--:") == 9
    # 4 of 8 samples have an answer, 2 were cut, 1 has no box, 1 a box that is not read; 4 hold the right answer.
    assert row == (
        "| mine | 8 | 1 (12.5%) | 4 (50.0%) | 2 (25.0%) | 1 (12.5%) | 1 (12.5%) | 1 (12.5%) |  | 4 (50.0%) |"
    )
    assert (empty, warning) == ("", BY_CHANCE)

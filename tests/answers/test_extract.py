r"""Extraction: which box is the answer, in which part of a completion, and at what cost."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.answers.extract import extract_answer, extract_boxed
from helpers.files import SHARED, needs_shared

CASES = SHARED / "answers" / "extraction_cases.jsonl"
BALANCED = st.recursive(
    st.text("ab1+= \n", max_size=5) | st.sampled_from([r"\{", r"\}", r"\\", r"\frac12"]),
    lambda inner: inner.map(lambda text: f"{{{text}}}") | st.tuples(inner, inner).map("".join),
    max_leaves=8,
).filter(lambda text: text.strip("{} \n"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{7}", "7"),
        (r"first \boxed{1}, then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{x}", r"\left\{x"),
        (r"\fbox{3}", "3"),
        (r"\boxed {4}", "4"),
        ("\\boxed\n{4}", "4"),
        (r"\boxed 7.", "7"),
        (r"\boxed 1,024.", "1,024"),
        (r"\boxed{ 7 }", "7"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\\boxed{6}", "6"),
        (r"} \boxed{8} {", "8"),
    ],
)
def test_the_content_of_the_box_is_the_answer(text: str, answer: str) -> None:
    assert extract_boxed(text) == answer


@pytest.mark.parametrize("text", ["", "7", r"\boxed", r"\boxed{", r"\boxed{7", r"\boxed{{7}", r"\boxedx{7}"])
def test_without_a_complete_box_there_is_no_answer(text: str) -> None:
    assert extract_boxed(text) is None


@pytest.mark.parametrize("box", [r"\boxed{}", r"\boxed{ }", r"\boxed{{}}", r"\boxed{$ $}", r"\boxed{\,}"])
def test_an_empty_box_is_no_answer(box: str) -> None:
    assert extract_boxed(box) is None


@pytest.mark.parametrize("rest", [r" so \boxed{}", r" so \boxed{8", r" now \boxed"])
def test_an_empty_or_unfinished_box_does_not_hide_the_one_before(rest: str) -> None:
    assert extract_boxed(r"\boxed{7}" + rest) == "7"


@settings(deadline=None)
@given(BALANCED)
def test_balanced_content_comes_back_stripped(content: str) -> None:
    assert extract_boxed(rf"so \boxed{{{content}}}.") == content.strip()


@settings(deadline=None)
@given(st.text(r"\boxed{}17 $", max_size=60))
def test_any_text_gives_a_stripped_part_of_itself_or_none(text: str) -> None:
    answer = extract_boxed(text)
    assert answer is None or (answer and answer in text and answer == answer.strip())


@settings(deadline=None)
@given(st.text(max_size=30).filter(lambda text: "</think>" not in text))
def test_a_text_without_the_end_of_reasoning_has_no_answer(text: str) -> None:
    assert extract_answer(text + r"\boxed{7}") is None


def test_the_reasoning_ends_at_the_first_mark() -> None:
    assert extract_answer(r"\boxed{1}</think>\boxed{2}</think>") == "1"


def test_the_part_after_the_reasoning_can_be_asked_for() -> None:
    assert extract_answer(r"\boxed{1}</think>\boxed{2}", "after") == "2"


def test_the_whole_text_can_be_asked_for() -> None:
    assert extract_answer(r"\boxed{1}</think> done", "anywhere") == "1"


def test_an_unfinished_trace_counts_as_reasoning_on_request() -> None:
    assert extract_answer(r"\boxed{1} wait", require_finished=False) == "1"


@pytest.mark.parametrize(
    "unit", ["a", "{", "}", "\\", r"\boxed", r"\boxed ", r"\boxed{", r"\boxed{{", r"\boxed{}", r"\boxed{1}"]
)
def test_ten_times_the_text_takes_about_ten_times_as_long(unit: str) -> None:
    # Quadratic time would take 100 times as long; the floor keeps the clock's noise out of the ratio.
    small, large = (_measure_seconds(r"\boxed{" + unit * (size // len(unit))) for size in (50_000, 500_000))
    assert large < 40 * max(small, 1e-3)


def _measure_seconds(text: str) -> float:
    start = time.process_time()
    extract_answer(text, require_finished=False)
    return time.process_time() - start


@needs_shared
def test_boxes_of_other_parsers_are_read_alike() -> None:
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    boxes = [row for row in rows if row["task"] == "extract_boxed"]
    # Those parsers take the first of two boxes and call an empty box an answer.
    different = [row["input"] for row in boxes if extract_boxed(row["input"]) != row["expected"]]
    assert different == [r"\(\boxed{5}\) and \(\boxed{10}\)", r"\(\boxed{}\)"]

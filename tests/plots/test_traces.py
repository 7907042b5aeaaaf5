"""What models wrote, shown in a notebook."""

import polars

from fastmath.plots.traces import render_samples, render_text, render_trace
from fastmath.sampling.samples import SAMPLE_SCHEMA

PROBLEMS = polars.DataFrame({"id": ["p0"], "problem": ["is 1 < 2?"], "answer": [7]})


def make_sample(text: str) -> polars.DataFrame:
    return polars.DataFrame([("p0", 0, text, "7", True, 9, 7, "stop", 1)], schema=SAMPLE_SCHEMA, orient="row")


def test_model_text_is_escaped() -> None:
    rendered = render_samples(make_sample("<script>alert(1)</script></think>"), PROBLEMS)
    assert "<script>" not in rendered
    assert "&lt;script&gt;" in rendered


def test_a_problem_is_escaped() -> None:
    assert "is 1 &lt; 2?" in render_samples(make_sample("7"), PROBLEMS)


def test_an_answer_stands_beside_what_is_known_of_it() -> None:
    assert "answer 7 (correct, gold 7), 9 tokens, ended by stop" in render_samples(make_sample("7"), PROBLEMS)


def test_rechecks_are_grey_and_steps_are_not() -> None:
    step, recheck = render_trace("?", "(1) 3+4=7\nwait (1) 3+4=7").split("<pre")[1].splitlines()
    assert ("inherit" in step, "inherit" in recheck) == (True, False)


def test_the_box_that_is_read_is_marked() -> None:
    text = render_text("no \\boxed{1}, so \\boxed{7<8}.\n</think> It is \\boxed{9}.")
    assert [part.partition("</mark>")[0].partition(">")[2] for part in text.split("<mark")[1:]] == ["7&lt;8", "9"]


def test_a_box_over_two_lines_is_marked_in_both() -> None:
    first, second = render_text("\\boxed{1 +\n2}</think>").splitlines()
    assert ("1 +\n".strip() in first, first.count("<mark"), second.count("<mark")) == (True, 1, 1)


def test_a_tag_of_html_in_a_box_is_escaped() -> None:
    assert "<script>" not in render_text("\\boxed{<script>}</think>")

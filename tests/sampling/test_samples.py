"""The table of samples: what is an answer, and whether it is right."""

import polars as pl

from fastmath.answers.verifier import Verifier
from fastmath.sampling.samples import SAMPLE_SCHEMA, judge_samples, unite_votes

PROBLEMS = pl.DataFrame({"id": ["p"], "problem": ["3 + 4?"], "answer": [7]})


def judge(text: str, finish_reason: str = "stop") -> dict[str, object]:
    raw = {"problem_id": "p", "sample": 0, "text": text, "tokens": 5, "reasoning_tokens": 5}
    raw |= {"finish_reason": finish_reason, "seed": 1}
    return judge_samples(pl.DataFrame([raw]), PROBLEMS).row(0, named=True)


def test_a_right_answer_is_correct() -> None:
    graded = judge("(1) 3+4=7\nSo \\boxed{7}.\n</think>")
    assert (graded["answer"], graded["correct"]) == ("7", True)


def test_a_wrong_answer_is_an_answer() -> None:
    graded = judge("So \\boxed{8}.\n</think>")
    assert (graded["answer"], graded["correct"]) == ("8", False)


def test_an_integer_is_written_in_one_way() -> None:
    assert judge("So \\boxed{007}.\n</think>")["answer"] == "7"


def test_an_answer_that_is_no_integer_is_kept() -> None:
    graded = judge("So \\boxed{x+1}.\n</think>")
    assert (graded["answer"], graded["correct"]) == ("x+1", False)


def test_a_sample_that_was_cut_off_has_no_answer() -> None:
    graded = judge("So \\boxed{7}. wait", finish_reason="length")
    assert (graded["answer"], graded["correct"]) == (None, False)


def test_a_box_after_the_reasoning_is_no_answer() -> None:
    assert judge("3+4=7\n</think>The answer is \\boxed{7}")["answer"] is None


def test_judging_keeps_the_schema() -> None:
    raw = {"problem_id": "p", "sample": 0, "text": "", "tokens": 5, "reasoning_tokens": 5}
    raw |= {"finish_reason": "length", "seed": 1}
    assert judge_samples(pl.DataFrame([raw]), PROBLEMS).schema == SAMPLE_SCHEMA


def test_answers_in_latex_are_judged_and_vote_together_for_what_they_mean() -> None:
    boxes = [r"\frac12", "0.5", r"\sqrt{8}", r"2\sqrt{2}", "x + 1", "none of these"]
    rows = [("p", number, f"\\boxed{{{box}}}</think>", 5, 5, "stop", 0) for number, box in enumerate(boxes)]
    columns = ["problem_id", "sample", "text", "tokens", "reasoning_tokens", "finish_reason", "seed"]
    problems = pl.DataFrame({"id": ["p"], "problem": ["?"], "answer": [r"\frac{1}{2}"]})
    judged = judge_samples(pl.DataFrame(rows, schema=columns, orient="row"), problems)
    assert judged["correct"].to_list() == [True, True, False, False, False, False]
    # two ways to write the reference, and two to write one wrong answer
    assert judged["answer"].to_list() == [
        *[r"\frac{1}{2}"] * 2,
        *[r"\sqrt{8}"] * 2,
        "x + 1",
        "none of these",
    ]


def test_equal_answers_to_different_problems_are_different_votes() -> None:
    with Verifier() as verifier:
        assert unite_votes(["p", "q"], [r"\frac12", "0.5"], verifier) == [r"\frac12", "0.5"]

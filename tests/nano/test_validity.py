"""The validity of completions of embedded problems."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.nano.model import train_tokenizer
from fastmath.nano.rows import generate_rows
from fastmath.nano.validity import Solution, count_shortest_tokens, is_valid, solve, write_shortest_trace
from fastmath.prompts import render_prompt
from fastmath.recipe.data import NanoDataSettings

PROBLEM = "Find the remainder when 432^(3) is divided by 10."
SOLUTION = Solution(("(2) 2*2=4", "(3) 4*2=8"), 8)
HARD = {"share": 1, "corrected_share": 1.0}


def rows(count=60, seed=0, **changes):
    return list(generate_rows("train", NanoDataSettings(**changes), count, seed))


def judge_rows(made):
    """(whether a generation is valid, whether its flag says that it is right) of every generation."""
    return [
        (is_valid(text, solve(row["problem"])), right)
        for row in made
        for text, right in zip(row["generations"], row["correctness_math_verify"], strict=True)
    ]


def is_valid_with(*lines, box="8"):
    return is_valid("\n".join([*lines, f"So \\boxed{{{box}}}.", "</think>"]), SOLUTION)


def test_a_problem_is_worked_to_its_labelled_steps():
    # 432 ends in 2: 2 * 2 = 4, 4 * 2 = 8
    assert solve(PROBLEM) == SOLUTION


def test_every_generated_problem_is_worked_to_the_steps_of_its_row():
    for row in rows(200):
        solution = solve(row["problem"])
        assert [step.partition(" ")[2] for step in solution.steps] == row["solution"].splitlines()
        assert str(solution.answer) == row["answer"]


@pytest.mark.parametrize("text", ["", "1 + 1?", PROBLEM + " ", PROBLEM.replace("(3)", "(1)")])
def test_a_text_that_is_no_problem_of_ours_has_no_solution(text):
    assert solve(text) is None


@pytest.mark.parametrize("changes", [{}, {"hard": HARD}, {"unboxed_share": 1.0}, {"unboxed_share": 0.0}])
def test_generated_traces_without_slips_are_valid_also_where_they_correct_a_step(changes):
    assert set(judge_rows(rows(wrong_share=0, truncated_share=0, **changes))) == {(True, True)}


def test_generated_traces_with_slips_are_invalid_also_where_their_answer_is_right():
    judged = judge_rows(rows(200, wrong_share=1, truncated_share=0))
    # The answer is right where a later step hides the slip: 2*5 and 4*5 both end in 0.
    assert set(judged) == {(False, False), (False, True)}


def test_generated_traces_that_are_cut_off_are_invalid():
    assert set(judge_rows(rows(wrong_share=0, truncated_share=1))) == {(False, False)}


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_shortest_trace_is_valid(seed):
    (row,) = rows(1, seed)
    solution = solve(row["problem"])
    assert is_valid(write_shortest_trace(solution), solution)


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_shortest_trace_without_any_of_its_lines_or_characters_is_invalid(seed, data):
    (row,) = rows(1, seed)
    solution = solve(row["problem"])
    lines = write_shortest_trace(solution).splitlines()
    del lines[data.draw(st.integers(0, len(solution.steps)))]  # a step, or the box
    assert not is_valid("\n".join(lines), solution)
    step = data.draw(st.sampled_from(solution.steps))
    place = data.draw(st.integers(0, len(step) - 1))
    trace = write_shortest_trace(solution).replace(step, step[:place] + step[place + 1 :])
    assert not is_valid(trace, solution)


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=20, deadline=None)
def test_two_steps_that_change_places_make_a_trace_invalid(seed, data):
    (row,) = rows(1, seed)
    solution = solve(row["problem"])
    first, second = data.draw(st.permutations(range(len(solution.steps))))[:2]
    steps = list(solution.steps)
    steps[first], steps[second] = steps[second], steps[first]
    assert not is_valid(write_shortest_trace(Solution(tuple(steps), solution.answer)), solution)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_rechecks_and_a_marked_beginning_leave_a_trace_valid(seed):
    (row,) = rows(1, seed)
    solution = solve(row["problem"])
    trace = write_shortest_trace(solution).replace(
        solution.steps[0], "{0}\nwait {0}\nagain {0}".format(solution.steps[0])
    )
    assert is_valid(f"<think>\n{trace}", solution)


@pytest.mark.parametrize("word", ["wait", "check", "again"])
def test_a_recheck_corrects_a_step(word):
    assert is_valid_with("(2) 2*2=5", f"{word} (2) 2*2=4", "(3) 4*2=8")


def test_a_recheck_spoils_a_step():
    assert not is_valid_with("(2) 2*2=4", "wait (2) 2*2=5", "(3) 4*2=8")


def test_a_mistake_that_nothing_corrects_is_invalid_though_the_answer_is_right():
    assert not is_valid_with("(2) 2*2=5", "(3) 4*2=8")


def test_a_missing_step_is_invalid():
    assert not is_valid_with("(3) 4*2=8")


def test_a_step_beyond_the_solution_is_invalid():
    assert not is_valid_with("(2) 2*2=4", "(3) 4*2=8", "(4) 8*2=6")


def test_a_step_that_comes_early_is_invalid():
    assert not is_valid_with("(3) 4*2=8", "(2) 2*2=4")


def test_a_later_statement_does_not_change_the_order_of_the_first_ones():
    assert is_valid_with("(2) 2*2=4", "(3) 4*2=8", "check (2) 2*2=4")


def test_a_recheck_of_a_step_that_was_not_stated_is_its_first_statement():
    assert is_valid_with("(2) 2*2=4", "check (3) 4*2=8")
    assert not is_valid_with("check (3) 4*2=8", "(2) 2*2=4", "(3) 4*2=8")


@pytest.mark.parametrize("line", ["(3) 4*2=8, done", "(3) 4*2=8 ", "(3)4*2=8", "(3)", "(03) 4*2=8"])
def test_what_stands_on_the_line_of_a_label_is_the_step(line):
    assert not is_valid_with("(2) 2*2=4", line)


@pytest.mark.parametrize("line", ["", "Let me see.", "so (3) 4*2=9", "wait  (3) 4*2=9", "(x) 4*2=9", "3) 4*2=9"])
def test_a_line_that_begins_with_no_label_does_not_matter(line):
    assert is_valid_with("(2) 2*2=4", line, "(3) 4*2=8", line)


@pytest.mark.parametrize("box", ["7", "", "x", "9\\boxed{1}"])
def test_a_box_without_the_answer_is_invalid(box):
    assert not is_valid_with("(2) 2*2=4", "(3) 4*2=8", box=box)


def test_steps_behind_the_reasoning_do_not_count_and_a_box_there_does():
    reasoning = "(2) 2*2=4\n(3) 4*2=8\n</think>"
    assert is_valid(f"{reasoning}\n\n\\boxed{{8}}<|endoftext|>", SOLUTION)
    assert is_valid(f"{reasoning}\n\n(4) 8*2=6 \\boxed{{8}}", SOLUTION)
    assert not is_valid("(2) 2*2=4\n</think>\n(3) 4*2=8\n\\boxed{8}", SOLUTION)


def test_without_an_end_all_of_the_completion_is_reasoning():
    assert is_valid("(2) 2*2=4\n(3) 4*2=8\n\\boxed{8}", SOLUTION)


@given(st.lists(st.sampled_from(["(", ")", "2", "3", " ", "wait ", "\n", "(2) 2*2=4", "(3) 4*2=8", "\\boxed{8}"])))
def test_what_is_valid_holds_every_step_and_the_answer(pieces):
    completion = "".join(pieces)
    if is_valid(completion, SOLUTION):
        assert re.search(r"^(wait )?\(2\) 2\*2=4$(.|\n)*^(wait )?\(3\) 4\*2=8$", completion, re.MULTILINE)
        assert "\\boxed{8}" in completion


def test_tokens_of_the_shortest_trace_are_those_that_a_model_generates():
    tokenizer = train_tokenizer([f"{row['problem']}\n{row['generations'][0]}" for row in rows(100)])
    prompt = render_prompt(tokenizer, PROBLEM, None)
    whole = tokenizer.decode(prompt) + "(2) 2*2=4\n(3) 4*2=8\nSo \\boxed{8}.\n</think>"
    assert len(prompt) + count_shortest_tokens(SOLUTION, tokenizer) == len(tokenizer.encode(whole))

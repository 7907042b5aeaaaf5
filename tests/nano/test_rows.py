"""The embedded problem source."""

import collections
import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.answers.extract import extract_answer
from fastmath.answers.integers import to_int
from fastmath.nano.families import FAMILIES, Difficulty, no_slip
from fastmath.nano.rows import SPLITS, generate_rows, is_hard, is_too_common, split_of
from fastmath.nano.validity import solve, write_shortest_trace
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.load import load_recipe

OPENR1_COLUMNS = {
    "problem", "solution", "answer", "problem_type", "question_type", "source", "uuid", "is_reasoning_complete",
    "generations", "correctness_math_verify", "correctness_llama", "finish_reasons", "correctness_count", "messages",
}  # fmt: skip

EASY = {"share": 0}
NANO = load_recipe("nano").data.nano.model_dump()


def rows(split: str = "train", count: int = 300, seed: int = 0, **changes: object) -> list[dict]:
    return list(generate_rows(split, NanoDataSettings(**changes), count, seed))


def direct_answer(name: str, parameters: tuple[int, ...]) -> int:
    """The answer by plain arithmetic, independent of the written steps."""
    match name:
        case "chain":
            value = parameters[0]
            for is_product, operand in zip(parameters[1::2], parameters[2::2], strict=True):
                value = value * operand if is_product else value + operand
            return value % 10
        case "remainder":
            return pow(parameters[0], parameters[1], 10)
        case "digit_sum":
            return sum(map(int, str(parameters[0])))
        case "sequence":
            first, ratio, term = parameters
            return first * ratio ** (term - 1) % 10
        case "count":
            return sum(number % parameters[0] == 0 for number in parameters[1:])
    raise AssertionError(f"no plain arithmetic for family {name}")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@given(seed=st.integers(0, 10**6), steps=st.integers(2, 5), largest=st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_a_family_works_its_problem_to_the_answer_of_plain_arithmetic(family, seed, steps, largest):
    parameters = family.draw(random.Random(seed), Difficulty(steps, largest))
    assert family.work(parameters, no_slip)[1] == direct_answer(family.name, parameters)


def test_answers_are_integers_of_the_contest_range():
    assert all(0 <= int(row["answer"]) <= 999 for row in rows())


def test_rows_have_the_columns_of_openr1_math_and_what_kind_of_problem_it_is():
    assert set(rows(count=1)[0]) == OPENR1_COLUMNS | {"family", "difficulty"}


def test_the_same_seed_gives_the_same_rows():
    assert rows(seed=3, count=50) == rows(seed=3, count=50)


def test_another_seed_gives_other_problems():
    assert {row["problem"] for row in rows(seed=1, count=50)} != {row["problem"] for row in rows(seed=2, count=50)}


def test_splits_share_no_problem_whatever_the_seed():
    problems = {split: {row["problem"] for seed in range(3) for row in rows(split, 200, seed=seed)} for split in SPLITS}
    assert not problems["train"] & problems["test"]
    assert not problems["train"] & problems["validation"]
    assert not problems["validation"] & problems["test"]


def test_no_problem_stands_twice():
    problems = [row["problem"] for row in rows(count=500)]
    assert len(set(problems)) == len(problems)


def test_the_split_of_a_problem_does_not_depend_on_a_seed():
    family = FAMILIES[0]
    parameters = family.draw(random.Random(0), Difficulty(3, 9))
    assert split_of(family, parameters) == split_of(family, tuple(parameters))


def test_every_complete_generation_carries_a_recheck():
    for row in rows():
        for text, complete in zip(row["generations"], row["is_reasoning_complete"], strict=True):
            assert not complete or re.search(r"^(wait|check|again) ", text, re.MULTILINE)


def test_flags_say_which_generations_box_the_answer():
    for row in rows():
        for text, correct in zip(row["generations"], row["correctness_math_verify"], strict=True):
            answer = extract_answer(text, where="anywhere")
            assert correct == (answer is not None and "</think>" in text and to_int(answer) == int(row["answer"]))


def test_some_generations_are_wrong_and_some_cut_off():
    flags = [flag for row in rows() for flag in row["correctness_math_verify"]]
    complete = [flag for row in rows() for flag in row["is_reasoning_complete"]]
    assert 0.6 < sum(flags) / len(flags) < 0.95
    assert 0.8 < sum(complete) / len(complete) < 0.99


def test_more_steps_make_longer_solutions():
    def longest(steps):
        return max(len(row["solution"].splitlines()) for row in rows(steps=steps, hard=EASY, count=100))

    assert longest((2, 2)) < longest((5, 5))


def test_asking_for_more_problems_than_there_are_says_how_many_were_found():
    with pytest.raises(ValueError, match=r"only \d+ distinct test problems"):
        rows("test", 1_000, steps=(1, 1), hard=EASY)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="want one of train, validation, test"):
        rows("dev", 1)


def test_every_third_problem_is_hard():
    assert [row["difficulty"] for row in rows(count=6)] == ["easy", "easy", "hard"] * 2


@given(problems=st.integers(1, 200), share=st.sampled_from((0.0, 0.1, 1 / 3, 0.5, 2 / 3, 1.0)))
def test_of_any_first_problems_the_share_of_hard_ones_is_hard_rounded_down(problems, share):
    assert sum(is_hard(index, share) for index in range(problems)) == math.floor(problems * share + 1e-9)


def test_hard_problems_have_the_steps_of_hard_ones():
    steps = {len(row["solution"].splitlines()) for row in rows(steps=(2, 3)) if row["difficulty"] == "hard"}
    assert steps <= {4, 5, 6}  # the sum of the digits of a number with 5 of them has 4 steps


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("split", SPLITS)
def test_no_guess_is_worth_much(split, seed):
    answers = [row["answer"] for row in rows(split, 200, seed, **NANO)]
    counts = collections.Counter(answers)
    assert counts["0"] <= 0.05 * len(answers)
    assert max(counts.values()) <= 0.15 * len(answers)


def test_an_answer_is_too_common_where_one_more_would_exceed_its_share():
    settings_ = NanoDataSettings(answer_share=0.14)
    # 14 / 100 = 0.14; 15 / 101 = 0.149
    assert not is_too_common(7, {7: 13, 5: 86}, settings_)
    assert is_too_common(7, {7: 14, 5: 86}, settings_)


def test_most_complete_generations_box_behind_the_reasoning():
    texts = [text for row in rows(**NANO) for text in row["generations"] if "</think>" in text]
    inside = [extract_answer(text, where="reasoning") is not None for text in texts]
    assert sum(inside) / len(inside) < 0.3


def write_shortest(row: dict) -> str:
    """The shortest trace of a row's problem that is right: every step once, and the box in the reasoning."""
    return f"<think>\n{write_shortest_trace(solve(row['problem']))}"


def mean_share_of_the_shortest_trace(**changes):
    lengths = [
        (len(write_shortest(row)), len(text))
        for row in rows(count=600, **changes)
        for text, correct in zip(row["generations"], row["correctness_math_verify"], strict=True)
        if correct
    ]
    return sum(shortest for shortest, _ in lengths) / sum(length for _, length in lengths)


def test_the_shortest_trace_has_less_than_half_of_the_mean_length():
    assert mean_share_of_the_shortest_trace(**NANO) < 0.45


def test_wordier_traces_leave_room_for_a_quarter_of_their_length():
    assert mean_share_of_the_shortest_trace(**NANO | {"rechecks": (3.0, 7.0)}) < 0.25


def test_the_shortest_trace_has_every_step_once_and_the_right_box():
    row = rows(count=1)[0]
    shortest = write_shortest(row)
    assert shortest.count("\n") == len(row["solution"].splitlines()) + 2
    assert extract_answer(shortest, where="reasoning") == row["answer"]


def test_a_corrected_step_is_put_right_by_its_recheck():
    hard = {"share": 1, "corrected_share": 1.0}
    for row in rows(count=50, hard=hard, wrong_share=0, truncated_share=0):
        for text in row["generations"]:
            written = re.findall(r"^(?:\w+ )?\((\d+)\) (.+)$", text, re.MULTILINE)
            last = {label: step for label, step in written}  # noqa: C416 - the last line of a label wins
            assert list(last.values()) == row["solution"].splitlines()
            assert any(step not in last.values() for _, step in written)

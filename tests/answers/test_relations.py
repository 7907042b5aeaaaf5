r"""What stands on the left of an equation."""

import pytest

from fastmath.answers.relations import (
    BOUND,
    INEQUALITY,
    is_calculation,
    is_single_name,
    may_be_asked_for,
    names_quantity,
)


@pytest.mark.parametrize(
    "left", ["x", "f(2)", "f(n+1)", "a_{n+1}", "|AB|", "A:B", "NO/BO", r"\angle ABC", r"\alpha", "S_{ABC}", "f'(2)"]
)
def test_one_quantity_is_named(left: str) -> None:
    assert names_quantity(left)


@pytest.mark.parametrize("left", ["x^2", "x+y", "9x", "(x+y)^2", r"a \cdot b", "3", "2^3", ""])
def test_a_condition_or_a_calculation_names_none(left: str) -> None:
    assert not names_quantity(left)


@pytest.mark.parametrize("left", ["3^2", r"2 \cdot 4", r"\frac{6}{2}", r"1 + 2 + \ldots + 9", r"\binom{6}{3}"])
def test_calculations_have_no_unknown(left: str) -> None:
    assert is_calculation(left)


@pytest.mark.parametrize("left", ["x", "a_{10}", "f(2)", "AB", r"\angle ABC", r"\alpha", "area"])
def test_a_gold_may_be_given_to_a_single_name(left: str) -> None:
    assert is_single_name(left)


@pytest.mark.parametrize("left", ["xy", "|z|", "f(x)", "A:B", "x+y", "x^2", "2x"])
def test_a_gold_of_anything_else_stays_an_equation(left: str) -> None:
    assert not is_single_name(left)


@pytest.mark.parametrize("left", ["m+n", "xy", "2(a+b)", r"AB \cdot AC", "100m+n", "N_9+N_8", r"\alpha+\beta"])
def test_a_contest_may_ask_for_a_sum_of_letters(left: str) -> None:
    assert may_be_asked_for(left)


@pytest.mark.parametrize("left", ["x^2", "9x", "x+1", "x", "x^2+y^2", r"7 \text{ or } xy"])
def test_a_contest_asks_for_no_solution_of_an_equation(left: str) -> None:
    assert not may_be_asked_for(left)


@pytest.mark.parametrize("text", ["x < 3", ">3", r"x \le 3", r"x \neq 3", "x != 3", r"\geq 3"])
def test_inequalities_are_seen(text: str) -> None:
    assert INEQUALITY.search(text)


@pytest.mark.parametrize("text", ["x = 3", "x -> 3", "x => 3", r"\left(3\right)", r"\leftarrow", r"\negthinspace"])
def test_other_signs_are_no_inequalities(text: str) -> None:
    assert not INEQUALITY.search(text)


@pytest.mark.parametrize("text", ["at least 3", "3 or more", "no more than 3", "not 3", "fewer than 3"])
def test_bounds_in_words_are_seen(text: str) -> None:
    assert BOUND.search(text)

r"""What a comma says: thousands, items of a list, or decimals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.answers.lists import compare_decimal_commas, join_thousands, separate_items


@pytest.mark.parametrize(
    ("answer", "joined"),
    [
        ("1,024", "1024"),
        ("1{,}024", "1024"),
        (r"1,\!024", "1024"),
        (r"1,\! 024", "1024"),
        (r"1\,024", "1024"),
        (r"1\ 024", "1024"),
        ("1~024", "1024"),
        ("1 024 000", "1024000"),
        ("1,024,000.5", "1024000.5"),
        (r"\$1,024", r"\$1024"),
        (r"\frac{1,024}{3}", r"\frac{1024}{3}"),
        (r"(1{,}024, 5)", "(1024, 5)"),
    ],
)
def test_thousands_are_joined(answer: str, joined: str) -> None:
    assert join_thousands(answer) == joined


@pytest.mark.parametrize(
    "answer",
    [
        *("(24,108)", "[24,108]", r"\{24,108\}", "{24,108}", r"\left(24,108\right)", r"\langle 24,108\rangle"),
        *("24, 108", r"24,\,108", r"24,\ 108", r"24,\;108", "1,2,300", "1,234,56", "1,2345", "0,123", "1.5,200"),
    ],
)
def test_items_are_not_joined(answer: str) -> None:
    assert join_thousands(answer) == answer


@given(st.integers(0, 10**15))
def test_any_number_is_joined_outside_brackets_and_never_inside(value: int) -> None:
    assert join_thousands(f"{value:,}") == str(value)
    assert join_thousands(f"({value:,})") == f"({value:,})"


@pytest.mark.parametrize(
    "answer",
    [
        "1,2,3",
        "1;2;3",
        "1; 2; 3",
        r"1 \text{ and } 2,3",
        r"1 \quad 2 \\ 3",
        "1 & 2 & 3",
        r"1 \lor 2 \lor 3",
        "1, 2 and 3",
    ],
)
def test_whatever_separates_three_items(answer: str) -> None:
    assert separate_items(answer) == "1, 2, 3"


@pytest.mark.parametrize(
    "answer",
    [
        *(r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}", "p=5,q=2;p=7,q=2", r"5 \quad \text{cm}"),
        *("a,b", "x", r"\sum_{k=1}^{3} k, m", "1{,}000"),
    ],
)
def test_what_is_no_list_of_single_values_is_kept(answer: str) -> None:
    assert separate_items(answer) == answer


@pytest.mark.parametrize(
    ("gold", "prediction", "same"),
    [
        ("1,22", "1.22", True),
        ("1.22", "1,22", True),
        ("1,22", "1.23", False),
        ("2,3", "2.3", None),  # one digit: two numbers
        ("1,234", "1.234", None),  # three digits: thousands
        ("1,22", "1,22", None),
        ("1,22", "22,1", None),
    ],
)
def test_a_comma_before_two_digits_may_be_a_decimal_one(gold: str, prediction: str, same: bool | None) -> None:
    assert compare_decimal_commas(gold, prediction) is same

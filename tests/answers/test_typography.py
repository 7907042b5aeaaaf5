r"""What an answer says without its dress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.answers.typography import MAX_CHARACTERS, is_prose, undress


@pytest.mark.parametrize(
    ("answer", "bare"),
    [
        ("5", "5"),
        ("$5$.", "5"),
        (r"\(5\)", "5"),
        ("**5**", "5"),
        ("'5'", "5"),
        ("5,", "5"),
        (r"\color{red}{5}", "5"),
        (r"{\color{red}5}", "{5}"),
        (r"\textcolor{red}{\underline{\frac{1}{2}}}", r"\frac{1}{2}"),
        (r"\mathbf{x} + \bm{y}", "x + y"),
        (r"\hspace{1mm}5", "5"),
        (r"\emph{five} apples", r"\text{five} apples"),
        (r"\bigl(1, 2\bigr)", "(1, 2)"),
        (r"\left.5\right.", "5"),
        (r"x \not= 5", r"x \neq  5"),
        (r"\therefore x = 5", "x = 5"),
        (r"4\!:\!51", "4:51"),
        ("5²", "5^{2}"),
        ("x₁₂", "x_{12}"),
        ("3½", r"3\frac{1}{2}"),
        ("１２．５", "12.5"),
        ("√3", r"\sqrt{3}"),
        ("√(x+1)", r"\sqrt{x+1}"),
        ("0.3\u0305", r"0.\overline{3}"),
    ],
)
def test_looks_go_and_content_stays(answer: str, bare: str) -> None:
    assert undress(answer) == bare


@pytest.mark.parametrize(
    "answer", [r"\frac{1}{2}", r"1,\!024", "1{,}024", "1, 2, ...", r"\text{Monday}", "f(x)", r"\{1, 2\}", "x_1", ""]
)
def test_what_is_plain_stays_as_it_is(answer: str) -> None:
    assert undress(answer) == answer


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("The answer is 5", True),
        (r"so \boxed{5}", True),
        ("it is $5$", True),
        (r"\frac{1}{2}", False),
        ("-(ab + ac + bc)", False),
        ("5 cm", False),
        (r"\text{all of the numbers}", False),
        (r"2, 3 \text{ and } 4", False),
    ],
)
def test_sentences_are_told_from_formulas(text: str, prose: bool) -> None:
    assert is_prose(text) is prose


def test_the_units_of_a_sentence_are_left_alone() -> None:
    assert undress("the area is then 10 m²") == "the area is then 10 m²"


def test_very_long_answers_are_left_alone() -> None:
    text = r"\color{red}{5}" * MAX_CHARACTERS
    assert undress(text) == text


@given(st.text(r"0123456789xy+-*/^!(){}.,=<>\$ color{}underline²½√", max_size=60))
def test_undressing_twice_changes_little_and_never_fails(text: str) -> None:
    assert isinstance(undress(undress(text)), str)

r"""Verification: equality, the order of arguments, what cannot be judged, and hostile input."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.answers.cost import is_cheap
from fastmath.answers.verify import verify
from helpers.files import FIXTURES, SHARED, needs_shared

PAIRS = SHARED / "answers" / "equivalence_pairs.jsonl"
OWN_PAIRS = [json.loads(line) for line in (FIXTURES / "answer_pairs.jsonl").read_text().splitlines()]
TOO_COSTLY = [
    *("9^{9^{9}}", "9**9**9", "10^{999999}", "99999!", "(9!)!", r"((x+1)^{9999})", r"2^\frac{99999999}{1}"),
    *(r"\pi^{\pi^{\pi^{\pi^{\pi}}}}", r"\binom{999999}{500000}", r"\sum_{i=1}^{1000000} i", "(" * 900, "x=" * 100),
    *(r"\sqrt{2}+" * 20, "1" * 20_000),
]


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("25", "025"),
        ("27", "27.0"),
        ("1024", "1{,}024"),
        ("0.5", r"\frac{1}{2}"),
        (r"\frac{1}{2}", r"\dfrac12"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("7", "x=7"),
        ("$7$", r"\boxed{7}"),
        ("{1,2}", r"\{2,1\}"),
        ("xy", "yx"),
        ("10", "10 cm^2"),
        (r"\text{Monday}", r"\text{Monday}"),
        (r"\$3.50", "3.5"),
        ("918.5", r"918\frac{1}{2}"),
        ("7/2", "3 1/2"),
        (r"50\%", "0.5"),
        (r"50\%", "50"),
    ],
)
def test_equal_answers_are_correct(gold: str, prediction: str) -> None:
    assert verify(gold, prediction) is True


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("1/3", "0.33"),
        (r"\frac{2}{3}", "0.66"),
        (r"40\pi", "125.663"),
        (r"2\sqrt{3}", "3.46"),
        (r"(\frac{3}{5},\frac{8}{3}]", "(0.6,2.6667]"),
        (r"\frac{1}{432}", r"2.314814814815 \times 10^{-3}"),
        ("x + 1.414I", r"x + \sqrt2I"),
    ],
)
def test_a_rounded_or_cut_off_decimal_stands_for_a_number_that_goes_on(gold: str, prediction: str) -> None:
    assert verify(gold, prediction) is True
    assert verify(prediction, gold) is True


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("1/3", "0.3"),  # one place
        ("1/3", "0.34"),
        (r"\sqrt{2}", "1.42"),  # neither rounded nor cut off
        ("1/8", "0.13"),  # could have been written in full
        ("5", "5.001"),
        ("1.23", "1.234"),  # two decimals
        (r"\frac{1}{81}", "0.01"),  # one digit
        ("12:00", "1:00"),
    ],
)
def test_other_decimals_do_not(gold: str, prediction: str) -> None:
    assert verify(gold, prediction) is False


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
        ("[0.5, 1]", r"\begin{matrix} \frac12 \\ 1 \end{matrix}"),
        (r"\langle 1,2,3\rangle", "(1,2,3)"),
        (r"\begin{pmatrix}\frac13\\ \frac15\end{pmatrix}", r"\begin{pmatrix}0.33\\0.2\end{pmatrix}"),
    ],
)
def test_a_vector_is_a_vector_however_it_is_written(gold: str, prediction: str) -> None:
    assert verify(gold, prediction) is True


def test_the_order_of_a_vector_counts() -> None:
    assert verify("(1,2)", r"\begin{pmatrix}2\\1\end{pmatrix}") is False


@pytest.mark.parametrize("prediction", ["(x+y)^2=81", "x+y=81", "9x=81", r"a \cdot b = 81", "x^2=81"])
def test_an_equation_that_names_no_quantity_is_no_number(prediction: str) -> None:
    assert verify("81", prediction) is False


@pytest.mark.parametrize("prediction", ["x=81", "f(2)=81", "a_{n+1}=81", r"\angle ABC = 81", "9^2=81", "|AB|=81"])
def test_an_equation_that_names_a_quantity_is_its_value(prediction: str) -> None:
    assert verify("81", prediction) is True


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [("7", "8"), ("7", ""), ("7", None), ("2x+z=1", "1"), ("3", "3x"), ("12", "1 2"), ("[1,2]", "(1,2)"), ("7", "x_{")],
)
def test_other_answers_are_wrong(gold: str, prediction: str | None) -> None:
    assert verify(gold, prediction) is False


def test_the_order_of_the_arguments_matters() -> None:
    # An interval answers an inequality; an inequality does not answer an interval or a point.
    assert verify("(1,2)", "1<x<2") is False
    assert verify("1<x<2", "(1,2)") is True


@pytest.mark.parametrize("gold", ["", " ", "$", r"\boxed{}", "???", r"\frac{", "there is no answer", "9^{9^{9}}"])
@pytest.mark.parametrize("prediction", ["7", None])
def test_a_gold_that_nothing_can_be_judged_by_gives_none(gold: str, prediction: str | None) -> None:
    assert verify(gold, prediction) is None


@pytest.mark.parametrize("prediction", TOO_COSTLY)
def test_a_hostile_prediction_is_wrong_at_once(prediction: str) -> None:
    start = time.process_time()
    assert verify("7", prediction) is False
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "text",
    [
        *("2^{2024}", "x^{2024}-1", r"\frac{(2n)!}{n!^2}", r"10^{\frac{-5+\sqrt{13}}{6}}", "2^{n+1}-1", "100!"),
        *(r"e^{i\pi/3}", r"x_{1}=10^{2},\quad x_{2}=3", r"\sum_{k=0}^{n} k", r"\binom{20}{10}", "(-\\infty, 5]"),
    ],
)
def test_ordinary_answers_are_cheap(text: str) -> None:
    assert is_cheap(text)


@pytest.mark.parametrize("unit", ["a", "1", "{", "^", "!", "x=", "(1)!", r"\frac", "$1+"])
def test_bounding_the_cost_of_ten_times_the_text_takes_about_ten_times_as_long(unit: str) -> None:
    small, large = (_measure_cost(unit * (size // len(unit))) for size in (1_000, 10_000))
    assert large < 40 * max(small, 1e-3)


def _measure_cost(text: str) -> float:
    start = time.process_time()
    is_cheap(text)
    return time.process_time() - start


@given(st.text(r"0123456789xy+-*/^!(){}.,=<>\$ fracsqrtleftpi", max_size=40))
@settings(deadline=None, max_examples=50)
def test_any_prediction_gets_a_verdict(prediction: str) -> None:
    assert verify("7", prediction) in (True, False)


@given(st.integers(-999, 99_999), st.integers(-999, 99_999))
@settings(deadline=None)
def test_integers_are_compared_exactly(gold: int, prediction: int) -> None:
    assert verify(str(gold), f"{prediction:,}") is (gold == prediction)


def test_a_worker_thread_can_verify() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(verify, "0.5", r"\frac{1}{2}").result() is True


@pytest.mark.parametrize("pair", OWN_PAIRS, ids=lambda pair: f"{pair['kind']}: {pair['gold']} | {pair['pred']}")
def test_answers_of_every_kind_are_compared(pair: dict) -> None:
    assert verify(pair["gold"], pair["pred"]) is pair["expected"]


@needs_shared
def test_verdicts_of_seven_checkers_are_met_better_than_by_math_verify() -> None:
    rows = [json.loads(line) for line in PAIRS.read_text().splitlines()]
    ours = [row for row in rows if verify(row["gold"], row["pred"]) != row["expected"]]
    assert sum(row["math_verify_0_9_0_default"] != row["expected"] for row in rows) == 21
    assert [row["id"] for row in ours if row["math_verify_0_9_0_default"] == row["expected"]] == []
    assert len(ours) <= 12

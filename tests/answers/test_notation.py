r"""Notations that math-verify misreads: what each rule rewrites, and what it leaves alone."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastmath.answers.notation import rewrite_notation


@pytest.mark.parametrize(
    ("answer", "rewritten"),
    [
        ("£5", "5"),
        (r"\$3.50", "3.50"),
        (r"20\$", "20"),
        (r"1{,}024", "1024"),
        (r"12\ 345\,678", "12345678"),
        (r"5\text{ million}", r"5\times10^{6}"),
        ("2.5 thousand", r"2.5\times10^{3}"),
        ("2.5e-3", r"2.5\times10^{-3}"),
        (r"0.\overline{3}", r"\frac{1}{3}"),
        (r"0.1\overline{6}", r"\frac{1}{6}"),  # (16 - 1) / 90
        (r"2.\overline{18}", r"\frac{24}{11}"),  # (218 - 2) / 99
        ("3 1/2", r"3\frac{1}{2}"),
        ("1 234 567", "1234567"),
        (r"\sin 30^\circ", r"\sin(\frac{30\pi}{180})"),
        (r"\cos(60^{\circ})", r"\cos(\frac{60\pi}{180})"),
        (r"\sin^2 t", r"\sin^{2}{t}"),
        (r"\langle 1, 2\rangle", "( 1, 2)"),
        (r"\begin{cases} x+y=1\\ x-y=3 \end{cases}", "x+y=1, x-y=3"),
        (r"p=5, q=2 \quad \text{and} \quad p=7, q=2", "p=5, q=2;p=7, q=2"),
    ],
)
def test_what_is_misread_is_rewritten(answer: str, rewritten: str) -> None:
    assert rewrite_notation(answer) == rewritten


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "2**3",
            "1 23",
            "1 234 x",
            r"30^\circ",
            "$5$",
            "1,2",
            "(1,000, 2)",
            "12e",
            "e^{2}",
            "2e",
            "x_1 1/2",
            r"\sin^2 tx",
            r"\sin^{-1} x",
            "pounds 5",
        ),
        *(r"\begin{cases} x & x>0\\ -x & x<0\end{cases}", r"k = 45 \text{ and } n = 2", "1 or 2", "1.2345e99999999"),
    ],
)
def test_what_is_read_well_is_left_alone(answer: str) -> None:
    assert rewrite_notation(answer) == answer


@example("0£££")
@example("0 £ £ £5")
@given(st.text(r"0123456789.,~ \{}$eE££sincoverlineand=;&-", max_size=60))
def test_rewriting_twice_changes_nothing_more(answer: str) -> None:
    once = rewrite_notation(answer)
    assert rewrite_notation(rewrite_notation(once)) == rewrite_notation(once)


@pytest.mark.parametrize(
    "unit",
    [
        "1 ",
        "1,",
        r"1\ 000",
        " and ",
        r"\text{and}",
        r"\begin{cases}",
        r"\langle",
        "1 1/",
        r"\quad",
        "0.",
        " ",
        "1",
        "=,",
    ],
)
def test_ten_times_the_text_takes_about_ten_times_as_long(unit: str) -> None:
    small, large = (_measure(unit * (size // len(unit))) for size in (1_200, 12_000))
    assert large < 40 * max(small, 1e-3)


def _measure(text: str) -> float:
    began = time.process_time()
    rewrite_notation(text)
    return time.process_time() - began

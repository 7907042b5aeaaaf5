r"""Integers: what counts as exactly one, and that the work is bounded."""

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.answers.integers import canonical_answer, read_gold, to_int
from helpers.files import SHARED, needs_shared

CASES = SHARED / "answers" / "extraction_cases.jsonl"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("025", 25),
        ("27.0", 27),
        ("7.", 7),
        ("-3", -3),
        ("\u22125", -5),
        ("+7", 7),
        ("$7$", 7),
        (r"\(7\)", 7),
        (r"\$42", 42),
        ("1,024", 1024),
        ("1{,}024", 1024),
        (r"1\,024", 1024),
        (r"1,\!024", 1024),
        ("10^3", 1000),
        ("10^{3}", 1000),
        ("10**3", 1000),
        ("-2^2", -4),
        (r"\frac{84}{2}", 42),
        (r"\dfrac84", 2),
        ("84/2", 42),
        ("5!", 120),
        ("7!!", 105),
        (r"\left(\frac{10}{2}\right)!", 120),
        (r"\binom{6}{3}", 20),
        (r"\sqrt{16}", 4),
        (r"3\sqrt{16}", 12),
        ("2(3)", 6),
        (r"1.5 \times 10^{3}", 1500),
        (r"\lfloor 100 \sqrt{2} \rfloor", 141),
        (r"\left\lceil \frac{7}{2} \right\rceil", 4),
        (r"336^\circ", 336),
        (r"72^{\circ}", 72),
        (r"\text{(C)}\ 12", 12),
        (r"\textbf{(A) } 7", 7),
        ("(C) 12", 12),
        (r"\text{7}", 7),
        (r"12\text{ cm}^2", 12),
        ("x = 7", 7),
        ("m+n = 3+4 = 7", 7),
        (r"n \equiv 7 \pmod{11}", 7),
        (r"n \equiv 18 \pmod{11}", 7),
        (r"n \equiv 7 \ (\bmod\ 11)", 7),
        (r"2(d_1+d_2) = 2 \cdot 20 = 40", 40),
        (r"AB \cdot AC = bc = 468", 468),
        ("147 + 147 = 294", 294),
        (r"12\ 345", 12345),
        ("52,", 52),
        ("5²", 25),
        ("４２", 42),
        (r"\color{red}{\underline{5}}", 5),
    ],
)
def test_the_integer_is_read(text: str, value: int) -> None:
    assert to_int(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "7x", "C", "2 3", "2,3", "1234,567", r"\pm 3", "x = 7, y = 8", r"12\text{ or }13"),
        *("1/2", r"\frac{1}{0}", "0^0", "0^{-1}", r"\sqrt{2}", r"\sqrt{-1}", r"1\frac{4}{2}", "(-1)!", "0.5!"),
        *("x^2 = 8", "9x = 81", "5x - 7y + 11z + 4 = 0", r"x=1 \text{ or } x=2", r"x=7 \quad x=8", "x=7 y=8", "2+2=5"),
        *("(24,108)", r"\{4,112\}", r"4,\,112", "1,2,3", r"42\text{ or more}", r"52\text{ base eight}", r"3\mathrm{i}"),
        *(r"x \neq 7", "x != 7", "x > 7", "50%", r"50\%", r"7\text{ thousand}", "1011_2", r"\boxed{7}", "(7", "\u0663"),
    ],
)
def test_what_is_not_one_integer_is_none(text: str) -> None:
    assert to_int(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("10^999999", "99999!", "9^{9^{9}}", "((9!)!)!", r"\binom{999999}{500000}", "9" * 5000, "(" * 400),
        *("-" * 999 + "7", "5000!" + "*5000!" * 150, "2^10^999", "10^{-999999}", r"\lfloor 10^{60} \sqrt{2} \rfloor"),
    ],
)
def test_work_is_bounded(text: str) -> None:
    start = time.process_time()
    assert to_int(text) in (None, -7)  # 999 minus signs are an odd number
    assert time.process_time() - start < 0.5


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12))
def test_integers_come_back_from_text_and_from_thousands(value: int) -> None:
    assert to_int(str(value)) == to_int(f"{value:,}") == to_int(f"{value:,}".replace(",", "{,}")) == value


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 200), st.integers(0, 9))
def test_arithmetic_agrees_with_python(a: int, b: int, c: int) -> None:
    assert to_int(rf"\frac{{{a * b}}}{{{b}}} - {c}! \cdot 2^{{{c}}}") == a - math.factorial(c) * 2**c


@settings(deadline=None)
@given(st.text(r"0123456789+-*/^!(){}.,=\$ fracbinomsqrtpmod", max_size=40))
def test_any_text_gives_an_integer_or_none(text: str) -> None:
    assert isinstance(to_int(text), int | None)


def test_a_modulus_reduces_large_and_negative_results() -> None:
    # 10^600 = 1000 · 10^597; -5 = 995 - 1000
    assert to_int("10^{600}+7", modulus=1000) == 7
    assert to_int("-5", modulus=1000) == 995


def test_a_result_that_python_cannot_write_is_none_without_a_modulus() -> None:
    assert to_int("10^{4001}") is None
    assert to_int("10^{4001}", modulus=7) == pow(10, 4001, 7)


@needs_shared
def test_integers_modulo_1000_of_another_parser_are_read_alike() -> None:
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    rows = [row for row in rows if row["task"] == "latex_to_int_mod_1000"]
    assert [to_int(row["input"], modulus=1000) for row in rows] == [row["expected"] for row in rows]


@pytest.mark.parametrize(
    "gold",
    [
        *(
            "5x - 7y + 11z + 4 = 0",
            r"x=1 \text{ or } x=2",
            "(24,108)",
            r"(6,235^\circ)",
            "x + y = 2",
            "xy = 1",
            "|z| = 5",
        ),
        *(
            "x^2 + y^2 = 25",
            "f(x) = 0",
            r"n \equiv 3 \pmod{7}",
            r"1 \text{ and } 2",
            "x=3, x=5",
            r"\{1,200\}",
            "[0,100]",
        ),
        *("1,2", "3:4", r"x \le 5", r"\pm 3", "52_8", r"x=1 \lor x=2", r"3 \quad 4", "(1,000)", "12.5", r"\frac{1}{2}"),
    ],
)
def test_a_gold_that_is_more_than_one_number_is_never_rewritten(gold: str) -> None:
    assert canonical_answer(gold) == gold


@pytest.mark.parametrize(
    ("gold", "value"),
    [("025", 25), ("27.0", 27), ("x = 5", 5), ("AB = 12", 12), ("a_{10} = 7", 7), ("f(2) = 3", 3), (r"90^\circ", 90)],
)
def test_a_gold_that_is_one_number_is_written_as_one(gold: str, value: int) -> None:
    assert (read_gold(gold), canonical_answer(gold)) == (value, str(value))


def test_a_vote_may_name_what_a_contest_asks_for_where_a_gold_may_not() -> None:
    assert (to_int("m + n = 47"), read_gold("m + n = 47")) == (47, None)

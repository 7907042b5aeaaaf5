r"""Clock times, ratios, congruences, definitions and lists that go on."""

import pytest

from fastmath.answers.forms import (
    compare_assignments,
    compare_congruences,
    compare_definitions,
    compare_progressions,
    compare_ratios,
    compare_times,
)


def same(gold: str, prediction: str) -> bool:
    return gold == prediction


@pytest.mark.parametrize(
    ("gold", "prediction", "verdict"),
    [
        ("12:30:00", "12:30", True),
        ("12:30:15", "12:30", False),
        ("8:34 p.m.", "20:34", True),  # 8 + 12 = 20
        (r"8:34 \text{ PM}", "8:34", False),
        ("12:05 am", "0:05", True),
        ("12:05 pm", "12:05", True),
        ("3 p.m.", "15:00", True),
        ("6:12", "1:2", None),  # two ratios
        ("13 pm", "13:00", None),  # no hour of a half day
        ("7", "7:00", None),
    ],
)
def test_times_are_compared_by_their_seconds(gold: str, prediction: str, verdict: bool | None) -> None:
    assert compare_times(gold, prediction) is verdict


@pytest.mark.parametrize(
    ("gold", "prediction", "verdict"),
    [
        ("1:2", "3:6", True),
        ("1:2:3", "2:4:6", True),
        ("1:2", "2:1", False),
        ("3:2", "3:2:1", False),
        ("12:00", "1:00", False),  # a zero: all figures have to agree
        ("1:2", "x:y", None),
    ],
)
def test_ratios_are_compared_by_their_proportions(gold: str, prediction: str, verdict: bool | None) -> None:
    assert compare_ratios(gold, prediction) is verdict


@pytest.mark.parametrize(
    ("gold", "prediction", "verdict"),
    [
        (r"3 \pmod 7", r"3 \pmod 5", False),
        (r"n \equiv 3 \pmod{7}", r"10 \bmod 7", True),  # 10 = 7 + 3
        (r"-1 \pmod 4", r"3 \pmod 4", True),  # -1 + 4 = 3
        (r"1, 3 \pmod 8", r"3, 1 \pmod 8", True),
        (r"2 \pmod p", r"2 \pmod q", False),
        (r"3 (mod 7)", "3", None),
    ],
)
def test_congruences_are_compared_by_modulus_and_residues(gold: str, prediction: str, verdict: bool | None) -> None:
    assert compare_congruences(gold, prediction) is verdict


@pytest.mark.parametrize(
    ("gold", "prediction", "verdict"),
    [
        (r"1, 2, \ldots, 5", "1, 2, 3, 4, 5", True),
        (r"1, 3, \ldots, 9", r"1, 3, 5, \ldots, 9", True),
        (r"1, 2, \ldots, 5", r"1, 2, \ldots, 6", False),
        (r"1, 2, \ldots, n", r"1, 3, \ldots, 2n-1", False),
        (r"1, 2, \ldots, n", r"1, 2, \dots, n", True),
        (r"\{2, 3, \ldots\}", r"\{2, 3, 4, \ldots\}", True),
        (r"2, 4, \ldots", r"2, 3, \ldots", False),
        ("1 + 2 + ... + n", "n(n+1)/2", False),  # nobody says which terms the dots stand for
        ("1, 2, 3", "1, 2, 3", None),
        (r"1, 2, \ldots, 10000000", "5", False),  # too many to write out
    ],
)
def test_lists_that_go_on_are_written_out_or_compared_by_terms(
    gold: str, prediction: str, verdict: bool | None
) -> None:
    assert compare_progressions(gold, prediction, same) is verdict


@pytest.mark.parametrize(
    ("gold", "prediction", "verdict"),
    [
        ("y = 2x+3", "f(x) = 2x+3", True),
        ("f(x) = 2x+3", "y = 2x+4", False),
        ("f(x) = 2x", "g(x) = 2x", None),
        ("y = 2x", "y = 2x", None),
    ],
)
def test_a_curve_is_the_graph_of_its_function(gold: str, prediction: str, verdict: bool | None) -> None:
    assert compare_definitions(gold, prediction, same) is verdict


@pytest.mark.parametrize(
    ("gold", "prediction", "verdict"),
    [
        ("y=3, x=2", "(2,3)", True),
        ("(2,3)", "x=2,y=3", True),
        ("x=2,y=3", "(3,2)", False),
        ("x=2,y=3", "(2,3,4)", False),
        ("x=2, x=3", "(2,3)", None),  # two values of one name
        ("x=2", "(2)", None),
    ],
)
def test_assignments_are_a_tuple_in_the_order_of_their_names(gold: str, prediction: str, verdict: bool | None) -> None:
    assert compare_assignments(gold, prediction, same) is verdict

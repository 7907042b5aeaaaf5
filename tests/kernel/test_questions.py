"""What a contest's server may hand over, and prompts that are too long."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fastmath.kernel.questions import fit_prompt, read_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pl.Series("question", ["What?"]), "What?"),
        (pl.Series("problem", ["What?"]), "What?"),
        (pd.Series(["What?"], index=[7]), "What?"),
        (np.array(["What?"]), "What?"),
        (["What?"], "What?"),
        ("What?", "What?"),
        (b"What?", "What?"),
        (b"\xff?", "\ufffd?"),
        (pl.Series(["first", "second"]), "first"),
        (pl.Series([], dtype=pl.String), ""),
        (pl.Series([None], dtype=pl.String), ""),
        (pd.Series([None]), ""),
        (float("nan"), ""),
        (None, ""),
        ("", ""),
        (pl.Series([17]), "17"),
        (17, "17"),
        ("half \ud83d of a pair", "half ? of a pair"),
        ("\x00", "\x00"),
        ("שלום \u202e", "שלום \u202e"),
    ],
)
def test_the_one_value_of_a_column_is_read_as_text(value: object, text: str) -> None:
    assert read_text(value) == text


def test_a_prompt_that_fits_is_left_alone() -> None:
    assert fit_prompt([1, 2, 3], 3) == [1, 2, 3]


def test_of_a_prompt_too_long_the_middle_is_left_out() -> None:
    # Four tokens: two of the head, two of the tail.
    assert fit_prompt(list(range(10)), 4) == [0, 1, 8, 9]


def test_of_an_odd_number_the_tail_gets_one_more() -> None:
    assert fit_prompt(list(range(10)), 3) == [0, 8, 9]

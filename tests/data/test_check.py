"""What is said about a recipe's data before they are read."""

import pytest

from fastmath.data.check import check_data
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe

SIX = "".join(f'{{"problem": "{number}+1?", "answer": "{number + 1}"}}\n' for number in range(6))


def check(tmp_path, **overrides):
    (tmp_path / "test.jsonl").write_text(SIX)
    counts = {"evaluate.problems": 6, "kernel.questions": 6}
    check_data(
        load_recipe("nano", counts | {key.replace("__", "."): value for key, value in overrides.items()}), tmp_path
    )


def test_files_that_are_there_and_hold_enough_are_accepted(tmp_path):
    check(tmp_path, data__test_path="test.jsonl")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data__test_path": "none.jsonl"}, r"`data.test_path`: there is no file .*none\.jsonl"),
        (
            {"data__test_path": "test.jsonl", "evaluate__problems": 7},
            r"`evaluate.problems` is 7, .* holds 6",
        ),
        ({"data__decontaminate": {"files": ["gone.csv"]}}, r"`data.decontaminate.files`: there is no file .*gone\.csv"),
        ({"data__sources": [{"name": "a", "kind": "openr1", "path": "gone"}]}, r"source 'a': there is no .*gone"),
    ],
    ids=["test_path", "problems", "decontaminate", "source"],
)
def test_what_is_missing_is_named(tmp_path, overrides, message):
    with pytest.raises(SettingsError, match=message):
        check(tmp_path, **overrides)

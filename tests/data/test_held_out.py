"""Held-out problems that cannot be used are set aside with a reason, and a file without any other is refused."""

import json

import polars
import pytest

from fastmath.data.held_out import read_held_out, read_validation, sort_out
from fastmath.recipe.data import DataSettings
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from helpers.files import SHARED, needs_shared

ROWS = [{"id": "a", "problem": "p", "answer": "025"}, {"id": "b", "problem": "q", "answer": "7"}]


def settings(path) -> DataSettings:
    return load_recipe("nano", {"data.test_path": str(path)}).data


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "c", "problem": "r", "answer": ""}, "no answer"),
        ({"id": "c", "problem": " ", "answer": "7"}, "no text in 'problem'"),
        ({"id": "a", "problem": "r", "answer": "7"}, "the id of an earlier problem"),
    ],
)
def test_what_cannot_be_evaluated_on_is_set_aside_with_its_reason(row, reason):
    held_out = sort_out([*ROWS, row])
    assert [(reject.index, reject.reason) for reject in held_out.rejects] == [(2, reason)]
    assert held_out.problems["answer"].to_list() == ["25", "7"]


@pytest.mark.parametrize("answer", [r"\frac{1}{2}", "5x - 7y + 4 = 0", str(2**63), r"\text{Evelyn}"])
def test_answers_that_are_no_integers_are_kept_as_they_stand(answer):
    held_out = sort_out([{"id": "c", "problem": "r", "answer": answer}])
    assert held_out.problems["answer"].to_list() == [answer]


@needs_shared
def test_math_500_has_500_problems():
    path = SHARED / "problems" / "math500.jsonl"
    assert read_held_out(settings(path), 0, path.parent).problems.height == 500


@pytest.mark.parametrize("identifier", [None, ""])
def test_a_problem_without_an_id_has_the_number_of_its_row(tmp_path, identifier):
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row | {"id": identifier}) + "\n" for row in ROWS))
    assert read_held_out(settings(path), 0, tmp_path).problems["id"].to_list() == ["0", "1"]


@pytest.mark.parametrize(
    "names", [("family", "difficulty"), ("subject", "level"), ("problem_type", "level")], ids=["ours", "MATH", "Arena"]
)
def test_the_kind_of_a_problem_is_kept_where_its_file_says_it(tmp_path, names):
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps(ROWS[0] | dict(zip(names, ("Algebra", 3), strict=True))))
    assert read_held_out(settings(path), 0, tmp_path).problems.rows() == [("a", "p", "25", "Algebra", "3")]


def test_a_null_among_problems_is_set_aside(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS, {"problem": None, "answer": 3}]))
    held_out = read_held_out(settings(path), 0, tmp_path)
    assert [reject.reason for reject in held_out.rejects] == ["no text in 'problem'"]


def test_a_parquet_file_of_integers_is_read(tmp_path):
    path = tmp_path / "test.parquet"
    polars.DataFrame({"problem": ["p"], "answer": [7]}).write_parquet(path)
    assert read_held_out(settings(path), 0, tmp_path).problems.rows() == [("0", "p", "7", None, None)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"problem": "p", "answer": ""}, {"problem": None, "answer": "3"}],
            "1 with no answer, 1 with no text",
        ),
        ([], "holds no problem"),
    ],
)
def test_a_file_without_a_usable_problem_is_refused(tmp_path, rows, message):
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SettingsError, match=message):
        read_held_out(settings(path), 0, tmp_path)


def test_the_embedded_task_makes_its_validation_set_from_a_split_of_its_own():
    data = load_recipe("nano", {"data.nano.validation_problems": 30}).data
    validation, test = read_validation(data, 0, None).problems, read_held_out(data, 0, None).problems
    assert validation.height == 30
    assert set(validation["problem"]).isdisjoint(test["problem"])


def test_a_validation_set_of_a_file_is_read_as_a_held_out_set_is(tmp_path):
    (tmp_path / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    data = load_recipe("nano", {"data.validation_path": "validation.jsonl"}).data
    assert read_validation(data, 0, tmp_path).problems["answer"].to_list() == ["25", "7"]


def test_without_a_file_or_problems_of_the_embedded_task_there_is_no_validation_set(tmp_path):
    data = load_recipe("nano", {"data.nano.validation_problems": 0, "grpo.validation": None}).data
    assert read_validation(data, 0, tmp_path) is None

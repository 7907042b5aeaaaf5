"""BoInf's votes: rows as its analysis writes them, and round trips."""

import json

import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from fastmath.evaluation.formats.boinf import write_boinf
from fastmath.evaluation.formats.reading import read_problems_table, read_samples_table
from fastmath.evaluation.formats.rows import FormatError
from helpers.sample_tables import PROBLEMS, SAMPLES, draw_tables

ROW = {  # the fields of a row, in their order; the values are made up
    "problem_num": 4,
    "total_answers": 5,
    "answer_counts": {"7": 2, "p+q=7": 1, "": 1},
    "gold_answer": "7",
    "majority_answer": "7",
    "all_answers": [["7", 20], ["7", 25], ["p+q=7", 30], [None, 100], ["", 0]],
}


def write(folder, *rows):
    path = folder / "analysis_made_m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@settings(max_examples=25, deadline=None)
@given(draw_tables(integers=True))
def test_any_table_of_numbered_problems_survives_but_for_its_texts(tmp_path_factory, tables):
    samples, problems = tables
    path = tmp_path_factory.mktemp("boinf") / "out.jsonl"
    write_boinf(samples, problems, path)
    held = ["problem_id", "sample", "answer", "tokens"]
    assert_frame_equal(read_samples_table(path).select(held), samples.select(held))
    assert_frame_equal(read_problems_table(path).select("id", "answer"), problems.select("id", "answer"))


def test_a_row_of_theirs_is_read(tmp_path):
    table = read_samples_table(write(tmp_path, ROW))
    assert table["problem_id"].to_list() == ["4"] * 5
    assert table["answer"].to_list() == ["7", "7", "7", None, None]
    assert table["correct"].to_list() == [True, True, True, False, False]
    assert table["tokens"].to_list() == [20, 25, 30, 100, 0]


def test_problems_with_other_ids_are_numbered_by_their_place(tmp_path):
    write_boinf(SAMPLES, PROBLEMS, tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "problem_num": 0,
        "total_answers": 2,
        "answer_counts": {"7": 1},
        "gold_answer": "7",
        "majority_answer": "7",
        "all_answers": [["7", 5], [None, 9]],
    }
    assert rows[1]["problem_num"] == 1


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ROW | {"all_answers": []}, "line 1: 'all_answers' is no list of pairs; want"),
        (ROW | {"all_answers": [["7"]]}, "line 1: 'all_answers' is no list of pairs; want"),
        (ROW | {"all_answers": [["7", "many"]]}, "line 1: 'all_answers' is \"many\"; want a whole number"),
        (ROW | {"problem_num": "first"}, "line 1: 'problem_num' is \"first\"; want a whole number"),
    ],
)
def test_a_broken_row_is_named(tmp_path, broken, message):
    path = write(tmp_path, broken)
    with pytest.raises(FormatError, match=message):
        read_samples_table(path)


def test_a_problem_twice_in_a_file_is_refused(tmp_path):
    path = write(tmp_path, ROW, ROW)
    with pytest.raises(FormatError, match="2 rows hold sample 0 of problem '4'"):
        read_samples_table(path)

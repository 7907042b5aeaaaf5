"""NeMo-Skills' files: rows as its generation and its evaluation write them, and round trips."""

import json

import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from fastmath.evaluation.formats.nemo_skills import write_nemo_skills
from fastmath.evaluation.formats.reading import read_problems_table, read_samples_table
from fastmath.evaluation.formats.rows import FormatError
from helpers.sample_tables import PROBLEMS, SAMPLES, draw_tables

ROW = {  # the fields of an evaluated row, in their order; the values are made up
    "generation": r"3 + 4 is \boxed{7}",
    "num_generated_tokens": 12,
    "num_input_tokens": 30,
    "finish_reason": "stop",
    "generation_start_time": 1.0,
    "generation_end_time": 2.5,
    "generation_time": 1.5,
    "id": "made-0",
    "problem": "3 + 4?",
    "expected_answer": "7",
    "subset_for_metrics": "made",
    "predicted_answer": "7",
    "symbolic_correct": True,
}


def write(folder, *files):
    """Write the rows of `output-rs0.jsonl`, `output-rs1.jsonl` …"""
    for seed, rows in enumerate(files):
        (folder / f"output-rs{seed}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def without(*names):
    return {name: value for name, value in ROW.items() if name not in names}


@settings(max_examples=25, deadline=None)
@given(draw_tables())
def test_any_table_survives(tmp_path_factory, tables):
    samples, problems = tables
    folder = tmp_path_factory.mktemp("nemo") / "out"
    write_nemo_skills(samples, problems, folder)
    assert_frame_equal(read_samples_table(folder), samples)
    assert_frame_equal(read_problems_table(folder), problems)


def test_a_row_of_theirs_is_read(tmp_path):
    (row,) = read_samples_table(write(tmp_path, [ROW])).rows()
    assert row == ("made-0", 0, r"3 + 4 is \boxed{7}", "7", True, 12, 12, "stop", 0)
    assert read_problems_table(tmp_path).rows() == [("made-0", "3 + 4?", "7")]


def test_a_file_is_one_sample_of_every_problem(tmp_path):
    other = ROW | {"id": "made-1", "symbolic_correct": False}
    table = read_samples_table(write(tmp_path, [ROW, other], [ROW, other], [ROW, other]))
    assert table["sample"].to_list() == [0, 1, 2, 0, 1, 2]
    assert table["problem_id"].to_list() == ["made-0"] * 3 + ["made-1"] * 3


def test_a_pattern_of_files_is_read_like_their_folder(tmp_path):
    write(tmp_path, [ROW], [ROW])
    assert_frame_equal(read_samples_table(tmp_path / "output-rs*.jsonl"), read_samples_table(tmp_path))


def test_a_single_output_file_is_sample_0(tmp_path):
    (tmp_path / "output.jsonl").write_text(json.dumps(ROW) + "\n")
    assert read_samples_table(tmp_path)["sample"].to_list() == [0]


def test_rows_without_ids_are_known_by_their_number(tmp_path):
    rows = [without("id"), without("id") | {"problem": "5 + 2?"}]
    assert read_samples_table(write(tmp_path, rows, rows))["problem_id"].to_list() == ["0", "0", "1", "1"]


def test_files_of_different_problems_are_refused(tmp_path):
    write(tmp_path, [without("id")], [without("id") | {"problem": "5 + 2?"}])
    with pytest.raises(
        FormatError, match=r"output-rs1\.jsonl, line 1: another statement than earlier rows for problem '0'"
    ):
        read_samples_table(tmp_path)


def test_the_verdict_of_the_file_counts(tmp_path):
    wrongly = ROW | {"symbolic_correct": False}
    assert read_samples_table(write(tmp_path, [wrongly]))["correct"].to_list() == [False]


def test_the_verdict_of_earlier_versions_counts(tmp_path):
    earlier = without("symbolic_correct") | {"is_correct": True, "predicted_answer": "8"}
    assert read_samples_table(write(tmp_path, [earlier]))["correct"].to_list() == [True]


def test_a_file_that_was_not_evaluated_is_judged_by_the_box(tmp_path):
    row = without("symbolic_correct", "predicted_answer")
    cut = row | {"id": "made-1", "finish_reason": "length"}
    table = read_samples_table(write(tmp_path, [row, cut]))
    assert (table["answer"].to_list(), table["correct"].to_list()) == (["7", None], [True, False])


def test_the_reasoning_of_a_chat_server_stands_before_the_answer(tmp_path):
    row = ROW | {"reasoning_content": "let me see", "num_reasoning_tokens": 4, "num_answer_tokens": 8}
    table = read_samples_table(write(tmp_path, [row]))
    assert table["text"].to_list() == [r"let me see</think>3 + 4 is \boxed{7}"]
    assert table["reasoning_tokens"].to_list() == [4]


def test_a_row_without_token_counts_has_none(tmp_path):
    assert read_samples_table(write(tmp_path, [without("num_generated_tokens")]))["tokens"].to_list() == [None]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ROW | {"symbolic_correct": "yes"}, "line 1: 'symbolic_correct' is \"yes\"; want true or false"),
        (ROW | {"num_generated_tokens": 1.5}, "line 1: 'num_generated_tokens' is 1.5; want a whole number"),
        (ROW | {"generation": ["7"]}, "line 1: 'generation' is"),
        (without("expected_answer", "symbolic_correct"), "problem 'made-0' is not judged, and the problem has no gold"),
    ],
)
def test_a_broken_row_is_named(tmp_path, broken, message):
    write(tmp_path, [broken])
    with pytest.raises(FormatError, match=message):
        read_samples_table(tmp_path)


def test_a_problem_twice_in_a_file_is_refused(tmp_path):
    write(tmp_path, [ROW, ROW])
    with pytest.raises(FormatError, match="2 rows hold sample 0 of problem 'made-0'"):
        read_samples_table(tmp_path)


def test_a_folder_with_earlier_samples_is_not_written_to(tmp_path):
    write(tmp_path, [ROW])
    with pytest.raises(FormatError, match="of an earlier run"):
        write_nemo_skills(SAMPLES, PROBLEMS, tmp_path)


def test_problems_with_fewer_samples_cannot_be_written(tmp_path):
    with pytest.raises(FormatError, match=r"problem 'q' has the samples \[0\]; want \[0, 1\]"):
        write_nemo_skills(SAMPLES.head(3), PROBLEMS, tmp_path)


def test_a_row_of_ours_has_what_their_metrics_read(tmp_path):
    write_nemo_skills(SAMPLES, PROBLEMS, tmp_path)
    first = json.loads((tmp_path / "output-rs0.jsonl").read_text().splitlines()[0])
    assert first == {
        "id": "p",
        "problem": "3 + 4?",
        "expected_answer": "7",
        "generation": r"\boxed{7}</think>",
        "predicted_answer": "7",
        "symbolic_correct": True,
        "num_generated_tokens": 5,
        "num_reasoning_tokens": 4,
        "num_answer_tokens": 1,
        "finish_reason": "stop",
        "seed": 11,
    }

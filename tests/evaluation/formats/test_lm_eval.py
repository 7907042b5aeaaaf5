"""lm-evaluation-harness' files: rows as it logs them, and round trips."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from fastmath.evaluation.formats.lm_eval import write_lm_eval
from fastmath.evaluation.formats.reading import read_problems_table, read_samples_table
from fastmath.evaluation.formats.rows import FormatError
from helpers.sample_tables import PROBLEMS, SAMPLES, draw_tables

ROW = {  # the fields of a logged row, in their order; the values are made up
    "doc_id": 0,
    "doc": {"ID": "made-0", "Problem": "3 + 4?", "Solution": "7", "Answer": 7},
    "target": "7",
    "arguments": {"gen_args_0": {"arg_0": "Question: 3 + 4?\nAnswer:", "arg_1": {"until": ["Question:"]}}},
    "resps": [[r"3 + 4 is \boxed{7}"]],
    "filtered_resps": [r"3 + 4 is \boxed{7}"],
    "filter": "none",
    "metrics": ["exact_match"],
    "doc_hash": "0" * 64,
    "prompt_hash": "0" * 64,
    "target_hash": "0" * 64,
    "exact_match": 1,
}


def write(folder, *rows):
    path = folder / "samples_made_2025-01-01T00-00-00.000000.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@settings(max_examples=25, deadline=None)
@given(draw_tables())
def test_any_table_survives(tmp_path_factory, tables):
    samples, problems = tables
    path = write_lm_eval(samples, problems, tmp_path_factory.mktemp("lm_eval") / "out.jsonl", "made")
    assert_frame_equal(read_samples_table(path), samples)
    assert_frame_equal(read_problems_table(path), problems)


def test_a_row_of_theirs_is_read(tmp_path):
    (row,) = read_samples_table(write(tmp_path, ROW)).rows()
    assert row == ("made-0", 0, r"3 + 4 is \boxed{7}", "7", True, None, None, None, None)
    assert read_problems_table(tmp_path).rows() == [("made-0", "3 + 4?", "7")]


def test_a_document_without_an_id_is_known_by_its_number(tmp_path):
    row = ROW | {"doc_id": 5, "doc": {"question": "3 + 4?"}}
    assert read_problems_table(write(tmp_path, row)).rows() == [("5", "3 + 4?", "7")]


def test_the_answer_to_a_solution_stands_behind_its_mark(tmp_path):
    row = ROW | {"target": "3 and 4 are 7\n#### 7"}
    assert read_problems_table(write(tmp_path, row))["answer"].to_list() == ["7"]


def test_the_verdict_of_the_file_counts(tmp_path):
    assert read_samples_table(write(tmp_path, ROW | {"exact_match": 0.0}))["correct"].to_list() == [False]


@pytest.mark.parametrize(
    ("filtered", "answer"), [("7", "7"), ("[invalid]", None), (r"\boxed{7}", "7"), (" 7.0 ", "7"), ("", None)]
)
def test_what_the_filter_gives_is_the_answer(tmp_path, filtered, answer):
    assert read_samples_table(write(tmp_path, ROW | {"filtered_resps": [filtered]}))["answer"].to_list() == [answer]


def test_a_whole_response_without_a_box_is_no_answer(tmp_path):
    row = ROW | {"resps": [["I give up"]], "filtered_resps": ["I give up"], "exact_match": 0}
    assert read_samples_table(write(tmp_path, row))["answer"].to_list() == [None]


def test_each_of_several_responses_is_judged(tmp_path):
    # One number judges no three responses; the first alone was kept by the filter, so that the boxes count.
    row = ROW | {"resps": [[r"\boxed{7}", r"\boxed{8}", "nothing"]], "filtered_resps": [r"\boxed{7}"]}
    table = read_samples_table(write(tmp_path, row))
    assert table["answer"].to_list() == ["7", "8", None]
    assert table["correct"].to_list() == [True, False, False]


def test_the_lists_that_some_tasks_log_count(tmp_path):
    row = ROW | {
        "resps": [["seven", "eight"]],
        "filtered_resps": [["seven", "eight"]],
        "exact_match": 1,
        "extracted_answers": ["7", "8"],
        "exact_matches": [1, 0],
    }
    table = read_samples_table(write(tmp_path, row))
    assert (table["answer"].to_list(), table["correct"].to_list()) == (["7", "8"], [True, False])


def test_several_filters_are_listed_where_none_is_chosen(tmp_path):
    path = write(tmp_path, ROW | {"filter": "no-filter"}, ROW | {"filter": "strict-match"})
    with pytest.raises(FormatError, match=r"holds 2 filters: no-filter, strict-match; want one of them \(--filter\)"):
        read_samples_table(path)


def test_one_of_several_filters_is_chosen_by_name(tmp_path):
    strict = ROW | {"filter": "strict-match", "filtered_resps": ["[invalid]"], "exact_match": 0}
    path = write(tmp_path, ROW | {"filter": "no-filter"}, strict)
    assert read_samples_table(path, filter_name="strict-match")["correct"].to_list() == [False]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ROW | {"exact_match": 0.5}, "line 1: 'exact_match' is 0.5; want true or false"),
        (
            ROW | {"resps": [["a"], ["b"]]},
            "line 1: 'resps' is not one list of texts; want the responses to one request",
        ),
        (ROW | {"resps": [[]]}, "line 1: 'resps' is not one list of texts"),
        (
            ROW | {"resps": [["a"]], "filtered_resps": ["a", "b"]},
            "line 1: 'filtered_resps' holds 2 items; want 1 texts",
        ),
        (ROW | {"doc": "3 + 4?"}, "line 1: 'doc' is no object"),
        (ROW | {"exact_matches": [1, 0]}, "line 1: 'exact_matches' has 2 items; want 1, one a sample"),
        ({"doc_id": 0, "resps": [["a"]]}, "line 1: no doc, target among doc_id, resps"),
    ],
)
def test_a_broken_row_is_named(tmp_path, broken, message):
    path = write(tmp_path, broken)
    with pytest.raises(FormatError, match=message):
        read_samples_table(path)


def test_a_document_twice_in_a_file_is_refused(tmp_path):
    path = write(tmp_path, ROW, ROW)
    with pytest.raises(FormatError, match="2 rows hold sample 0 of problem 'made-0'"):
        read_samples_table(path)


def test_in_a_folder_the_file_is_named_as_the_harness_names_it(tmp_path):
    path = write_lm_eval(SAMPLES, PROBLEMS, tmp_path / "out", "made")
    assert path.parent == tmp_path / "out"
    assert path.match("samples_made_20??-??-??T??-??-*.jsonl")
    assert_frame_equal(read_samples_table(tmp_path / "out"), SAMPLES)


def test_a_row_of_ours_has_the_fields_and_the_hashes_of_the_harness(tmp_path):
    path = write_lm_eval(SAMPLES, PROBLEMS, tmp_path / "out.jsonl", "made")
    first = json.loads(path.read_text().splitlines()[0])
    assert ROW.keys() <= first.keys()
    document = json.dumps({"id": "p", "problem": "3 + 4?", "answer": "7"}, indent=2)
    assert first["doc_hash"] == hashlib.sha256(document.encode()).hexdigest()
    assert first["target_hash"] == hashlib.sha256(b"7").hexdigest()
    # One of two samples is right: the mean of `exact_match` over the rows is pass@1.
    assert first["exact_match"] == 0.5
    assert first["resps"] == [[r"\boxed{7}</think>", "and so"]]

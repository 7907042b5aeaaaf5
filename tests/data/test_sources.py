"""Reading sources: real traces by configuration alone, and rows that do not fit."""

import json

import pytest

from fastmath.config import NanoDataSettings, SourceSettings
from fastmath.data.sources import Reject, SourceRow, read_source, read_test_problems
from fastmath.recipes import REPOSITORY_FOLDER, SettingsError

SHARED = REPOSITORY_FOLDER.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real traces are not in {SHARED}")


def read(path, kind="openr1", **settings):
    source = SourceSettings(name="s", kind=kind, path=str(path), **settings)
    return list(read_source(source, NanoDataSettings(), seed=0))


def write(path, *rows):
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


GOOD = {
    "problem": "p",
    "answer": "1",
    "generations": ["<think>\n</think>\n\\boxed{1}"],
    "correctness_math_verify": [True],
}


@needs_shared
@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("openr1_schema_rows", "openr1", 5),
        ("openr1_schema_rows_r1distill", "openr1", 15),
        ("light_r1_schema_rows", "light_r1", 5),
    ],
)
def test_real_traces_are_read_by_configuration_alone(name, kind, rows):
    items = read(SHARED / "traces" / f"{name}.jsonl", kind)
    assert [type(item) for item in items] == [SourceRow] * rows


@needs_shared
def test_light_r1_answers_come_from_the_traces_and_its_instruction_goes():
    rows = read(SHARED / "traces" / "light_r1_schema_rows.jsonl", "light_r1")
    assert all(row.answer and "Please reason" not in row.problem for row in rows)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{half a row", "malformed: no JSON"),
        (GOOD | {"generations": None}, "malformed: no generations"),
        (GOOD | {"generations": []}, "malformed: no generations"),
        (GOOD | {"correctness_math_verify": [True, False]}, "malformed: flags and generations differ in number"),
        (GOOD | {"problem": " "}, "malformed: no text in 'problem'"),
        (GOOD | {"answer": 7}, "malformed: no text in 'answer'"),
    ],
)
def test_a_malformed_row_is_kept_aside_with_its_reason_and_the_rest_is_read(tmp_path, row, reason):
    items = read(write(tmp_path / "rows.jsonl", GOOD, row, GOOD))
    assert [item.reason if isinstance(item, Reject) else "good" for item in items] == ["good", reason, "good"]


def test_a_light_r1_trace_without_an_answer_is_kept_aside(tmp_path):
    row = {"conversations": [{"from": "user", "value": "p"}, {"from": "assistant", "value": "<think>no box</think>"}]}
    assert read(write(tmp_path / "rows.jsonl", row), "light_r1")[0].reason == "malformed: no answer in the trace"


def test_columns_of_other_names_are_mapped(tmp_path):
    row = {"question": "p", "gold": "1", "generations": GOOD["generations"]}
    path = write(tmp_path / "rows.jsonl", row)
    assert read(path, columns={"problem": "question", "answer": "gold"})[0].problem == "p"


def test_missing_columns_are_named_with_those_found_and_the_mapping_that_mends_it(tmp_path):
    path = write(tmp_path / "rows.jsonl", {"question": "p", "answer": "1", "generations": ["g"]})
    with pytest.raises(SettingsError, match=r"lacks problem; its columns are question, .*problem: <their name>"):
        read(path)


def test_flags_of_math_verify_count_before_those_of_llama(tmp_path):
    row = GOOD | {"correctness_math_verify": [False], "correctness_llama": [True]}
    assert read(write(tmp_path / "rows.jsonl", row))[0].correct == (False,)


def test_flags_of_llama_count_where_there_are_no_others(tmp_path):
    row = GOOD | {"correctness_math_verify": None, "correctness_llama": [True]}
    assert read(write(tmp_path / "rows.jsonl", row))[0].correct == (True,)


def test_a_hub_dataset_without_a_revision_is_refused():
    with pytest.raises(SettingsError, match="needs `revision`"):
        read("someone/some-dataset")


def test_held_out_problems_come_from_a_csv(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text('id,problem,answer\na,"1, 2?",3\n')
    assert list(read_test_problems(path)) == [{"id": "a", "problem": "1, 2?", "answer": "3"}]


def test_held_out_problems_without_answers_are_refused(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("id,problem\na,b\n")
    with pytest.raises(SettingsError, match="no answer; found id, problem"):
        list(read_test_problems(path))

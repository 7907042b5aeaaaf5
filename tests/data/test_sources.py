"""Reading sources: real traces by configuration alone, and rows that do not fit."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.answers.integers import canonical_answer
from fastmath.data.sources import Reject, SourceRow, list_parts, read_part, read_problems
from fastmath.recipe.data import NanoDataSettings, SourceSettings
from fastmath.recipe.errors import SettingsError
from helpers.files import FIXTURES, SHARED, find, needs_shared, with_shared


def read(path, kind="openr1", **settings):
    source = SourceSettings(name="s", kind=kind, path=str(path), **settings)
    return [row for part in list_parts(source, NanoDataSettings(), seed=0, root=Path()) for row in read_part(part)]


def write(path, *rows):
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


GOOD = {
    "problem": "p",
    "answer": "1",
    "generations": ["<think>\n</think>\n\\boxed{1}"],
    "correctness_math_verify": [True],
}


@pytest.mark.parametrize(
    ("path", "kind", "rows"),
    [
        ("traces/openr1.jsonl", "openr1", 5),
        ("traces/light_r1.jsonl", "light_r1", 3),
        pytest.param("shared/traces/openr1_schema_rows.jsonl", "openr1", 5, marks=needs_shared),
        pytest.param("shared/traces/openr1_schema_rows_r1distill.jsonl", "openr1", 15, marks=needs_shared),
        pytest.param("shared/traces/light_r1_schema_rows.jsonl", "light_r1", 5, marks=needs_shared),
    ],
)
def test_traces_are_read_by_configuration_alone(path, kind, rows):
    items = read(find(path), kind)
    assert [type(item) for item in items] == [SourceRow] * rows


@pytest.mark.parametrize("path", with_shared("traces/light_r1.jsonl", "shared/traces/light_r1_schema_rows.jsonl"))
def test_light_r1_answers_come_from_the_traces_and_its_instruction_goes(path):
    rows = read(path, "light_r1")
    assert all(row.answer and "Please reason" not in row.problem for row in rows)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{half a row", "malformed: no JSON"),
        (GOOD | {"generations": None}, "malformed: no generations"),
        (GOOD | {"generations": []}, "malformed: no generations"),
        (GOOD | {"correctness_math_verify": [True, False]}, "malformed: flags and generations differ in number"),
        (GOOD | {"problem": " "}, "malformed: no text in 'problem'"),
        (GOOD | {"answer": None}, "malformed: no text in 'answer'"),
        (GOOD | {"answer": [7]}, "malformed: no text in 'answer'"),
        (GOOD | {"generations": "g"}, "malformed: no generations"),
        (GOOD | {"generations": [None]}, "malformed: no generations"),
        (
            GOOD | {"correctness_math_verify": "yes"},
            "malformed: 'correctness_math_verify' is no list of true, false and null",
        ),
        ("[1, 2]", "malformed: no JSON object"),
        ("", "malformed: empty line"),
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
    assert list(read_problems(path)) == [{"id": "a", "problem": "1, 2?", "answer": "3"}]


def test_held_out_problems_without_answers_are_refused(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("id,problem\na,b\n")
    with pytest.raises(SettingsError, match="no answer; found id, problem"):
        list(read_problems(path))


@pytest.mark.parametrize(
    ("written", "read_as"),
    [("025", "25"), (27.0, "27"), (7, "7"), ("1{,}024", "1024"), (r"\frac{1}{2}", r"\frac{1}{2}")],
)
def test_an_integer_answer_is_written_as_one(tmp_path, written, read_as):
    assert read(write(tmp_path / "rows.jsonl", GOOD | {"answer": written}))[0].answer == read_as


@given(st.integers(-999, 99_999))
def test_writing_an_answer_canonically_twice_changes_nothing(answer):
    assert canonical_answer(canonical_answer(f"{answer:06d}")) == str(answer)


def test_problems_without_generations_are_rows_for_grpo_alone(tmp_path):
    assert read(write(tmp_path / "rows.jsonl", {"problem": "p", "answer": "1"}), "problems")[0].generations == ()


def test_a_trace_without_an_end_of_reasoning_is_not_complete(tmp_path):
    row = {"problem": "p", "answer": "1", "generations": ["<think>\n\\boxed{1}"]}
    assert read(write(tmp_path / "rows.jsonl", row))[0].complete == (False,)


def test_a_source_without_rows_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="has no rows"):
        read(write(tmp_path / "rows.jsonl"))


def test_only_the_named_file_of_a_folder_is_read(tmp_path):
    write(tmp_path / "stage1.jsonl", GOOD, GOOD)
    write(tmp_path / "stage2.jsonl", GOOD)
    assert len(read(tmp_path, file="stage2*")) == 1
    with pytest.raises(SettingsError, match=r"no file fits `file: stage3\.json`; found stage1\.jsonl, stage2\.jsonl"):
        read(tmp_path, file="stage3.json")


@needs_shared
def test_form_feeds_of_a_real_file_are_repaired_and_reported(caplog):
    problems = list(read_problems(SHARED / "defects" / "light_r1_aime25.json"))
    # Row 18 has five form feeds and row 27 one beside three sound commands, all of `\\frac`; row 19 has a tab for the
    # `\\t` of `\\triangle`.
    assert [problems[row]["problem"].count("\\frac") for row in (18, 27)] == [5, 4]
    assert "\\triangle DEF" in problems[19]["problem"]
    assert "light_r1_aime25.json: 7 commands repaired, 0 control characters unexplained" in caplog.text


def test_commands_that_an_escape_has_eaten_are_repaired_and_reported(caplog):
    problems = list(read_problems(FIXTURES / "problems" / "form_feeds.json"))
    # A form feed for the `\\f` of `\\frac`, a tab for the `\\t` of `\\triangle`, and a sound one.
    assert [row["problem"].split(" ")[place] for row, place in zip(problems, (2, 1, 1), strict=True)] == [
        "$\\frac{1}{2}", "$\\triangle", "$\\frac{2}{3}$",
    ]  # fmt: skip
    assert "form_feeds.json: 2 commands repaired, 0 control characters unexplained" in caplog.text

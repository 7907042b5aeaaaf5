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


def light_r1(problem, trace="<think>\nSo 7.\n</think>\n\n\\boxed{7}", roles=("user", "assistant")):
    return {
        "conversations": [
            dict(zip(("from", "value"), turn, strict=True)) for turn in zip(roles, (problem, trace), strict=True)
        ]
    }


@pytest.mark.parametrize(
    "turn",
    [
        "What is 3 + 4?\nPlease reason step by step, and put your final answer within \\boxed{}.",
        "Please reason step by step, and put your final answer within \\boxed{}.\nWhat is 3 + 4?",
        "Please reason step by step, and put your final answer within \\boxed{}. What is 3 + 4?",
        "Please reason step by step. What is 3 + 4?",
        "What is 3 + 4? Let's think step by step and output the final answer within \\boxed{}.",
    ],
)
def test_the_instruction_is_cut_wherever_it_stands(tmp_path, turn):
    assert read(write(tmp_path / "rows.jsonl", light_r1(turn)), "light_r1")[0].problem == "What is 3 + 4?"


def test_a_turn_without_a_problem_is_kept_aside(tmp_path):
    row = light_r1("Please reason step by step, and put your final answer within \\boxed{}.")
    reject = read(write(tmp_path / "rows.jsonl", row), "light_r1")[0]
    assert reject.reason == "malformed: no problem beside the instruction"


def test_a_system_turn_and_other_names_of_the_roles_are_read(tmp_path):
    row = light_r1("p", roles=("human", "gpt"))
    row["conversations"].insert(0, {"from": "system", "value": "You are a model."})
    assert read(write(tmp_path / "rows.jsonl", row), "light_r1")[0].problem == "p"


@pytest.mark.parametrize(
    "trace", ["So 7.</think>\\boxed{7}", "<think>So 7.</think>\n\\boxed{7}", "<think>\n\nSo 7.\n</think>\\boxed{7}"]
)
def test_every_trace_begins_as_the_prompt_of_inference_ends(tmp_path, trace):
    row = read(write(tmp_path / "rows.jsonl", GOOD | {"generations": [trace]}))[0]
    assert row.generations == ("<think>\nSo 7.\n</think>\n\n\\boxed{7}",)


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        ("Sure. <think>So 7.</think>7", "text before <think>"),
        ("<think>So 7.</think>7<think>again</think>8", "several reasonings in the trace"),
        ("<think>So \x00 7.</think>7", "control characters in the trace"),
    ],
)
def test_a_text_that_is_no_trace_is_kept_aside(tmp_path, trace, reason):
    row = {"problem": "p", "answer": "7", "generation": trace}
    assert read(write(tmp_path / "rows.jsonl", row), "published")[0].reason == f"malformed: {reason}"


def test_commands_at_the_beginning_of_texts_answers_and_boxes_are_repaired_and_counted(tmp_path):
    # JSON makes a form feed of the `\\f` of `\\frac`, a tab of that of `\\triangle`, a carriage return of `\\rho`.
    row = {
        "problem": "\triangle ABC",
        "answer": "\x0crac{1}{2}",
        "generations": ["<think>\n\x0crac{1}{2}</think>\n\\boxed{\x0crac{1}{2}}\rho"],
    }
    read_row = read(write(tmp_path / "rows.jsonl", row))[0]
    assert (read_row.problem, read_row.answer) == ("\\triangle ABC", "\\frac{1}{2}")
    assert read_row.generations == ("<think>\n\\frac{1}{2}\n</think>\n\n\\boxed{\\frac{1}{2}}\\rho",)
    assert read_row.repaired == 5


def test_columns_of_other_names_are_mapped(tmp_path):
    row = {"question": "p", "gold": "1", "generations": GOOD["generations"]}
    path = write(tmp_path / "rows.jsonl", row)
    assert read(path, columns={"problem": "question", "answer": "gold"})[0].problem == "p"


def test_missing_columns_are_named_with_those_found_and_the_mapping_that_mends_it(tmp_path):
    path = write(tmp_path / "rows.jsonl", {"question": "p", "answer": "1", "generations": ["g"]})
    with pytest.raises(SettingsError, match=r"lacks problem; its columns are question, .*problem: <their name>"):
        read(path)


@pytest.mark.parametrize(
    ("checked", "judged", "correct"),
    [
        ([True, False], [True, True], (True, False)),  # math-verify accepts one: the other's flags do not count
        ([False, False], [True, True], (True, True)),  # rows that OpenR1 kept on purpose
        ([False, False], [True, None], (True, False)),
        ([False, None], [False, False], (False, None)),
        (None, [True, False], (True, False)),
    ],
)
def test_a_language_model_is_asked_where_math_verify_accepts_nothing(tmp_path, checked, judged, correct):
    row = GOOD | {"generations": GOOD["generations"] * 2}
    row |= {"correctness_math_verify": checked, "correctness_llama": judged}
    assert read(write(tmp_path / "rows.jsonl", row))[0].correct == correct


def test_a_hub_dataset_without_a_revision_is_refused():
    with pytest.raises(SettingsError, match="is pinned to no commit"):
        read("someone/some-dataset")


def test_training_problems_come_from_a_csv_with_columns_of_its_own(tmp_path):
    (tmp_path / "mine.csv").write_text('question,solution\n"1, 2?",025\n,7\n')
    first, second = read(tmp_path / "mine.csv", "problems", columns={"problem": "question", "answer": "solution"})
    assert (first.problem, first.answer) == ("1, 2?", "25")
    assert second.reason == "malformed: no text in 'problem'"


def test_traces_come_from_a_csv(tmp_path):
    trace = "<think>\nTwo and two.\n</think>\n\nThe answer is \\boxed{4}."
    (tmp_path / "mine.csv").write_text(f'problem,generation,answer\n2+2?,"{trace}",4\n')
    (row,) = read(tmp_path / "mine.csv", "published")
    assert (row.generations, row.correct) == ((trace,), (True,))


def test_lists_of_traces_do_not_come_from_a_csv(tmp_path):
    (tmp_path / "mine.csv").write_text("problem,answer,generations\n2+2?,4,four\n")
    with pytest.raises(SettingsError, match="rows of kind 'openr1' hold lists, which a CSV cannot"):
        read(tmp_path / "mine.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_held_out_problems_may_begin_with_a_byte_order_mark(tmp_path, encoding):
    path = tmp_path / "test.csv"
    path.write_text("id,problem,answer\na,é?,3\n", encoding=encoding)
    assert list(read_problems(path)) == [{"id": "a", "problem": "é?", "answer": "3"}]


@pytest.mark.parametrize("name", ["test.csv", "test.jsonl"])
def test_held_out_problems_in_latin_1_are_refused_with_the_way_to_mend_it(tmp_path, name):
    path = tmp_path / name
    text = "id,problem,answer\na,é?,3\n" if name.endswith("csv") else '{"problem": "é?", "answer": "3"}\n'
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match="iconv -f latin1 -t utf-8"):
        list(read_problems(path))


def test_a_held_out_problem_may_be_very_long(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text(f'id,problem,answer\na,"{"x, " * 70_000}",3\n')
    assert len(next(iter(read_problems(path)))["problem"]) == 3 * 70_000 - 1


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

"""Files of samples: recognised by what they hold, read into one table, and converted into one another."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from fastmath.answers.integers import to_int
from fastmath.evaluation.formats.conversion import convert_samples
from fastmath.evaluation.formats.reading import read_problems_table, read_samples_table
from fastmath.evaluation.formats.rows import FormatError
from fastmath.recipe.errors import SettingsError
from fastmath.sampling.samples import SAMPLE_SCHEMA
from helpers.files import SHARED, needs_shared
from helpers.sample_tables import PROBLEMS, SAMPLES, draw_tables

VOTE = {"id": "p", "gold": "7", "model": "m", "answers": ["7", ""], "tokens": [5, 9]}
FORMATS = ("nemo-skills", "lm-eval", "boinf", "votes", "samples")


def write(folder, *rows, name="file.jsonl"):
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def write_tables(folder):
    SAMPLES.write_parquet(folder / "samples.parquet")
    PROBLEMS.write_parquet(folder / "test.parquet")
    return folder / "samples.parquet", folder / "test.parquet"


@pytest.mark.parametrize("second", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_samples_go_through_any_two_formats_and_keep_what_both_hold(tmp_path, first, second):
    samples, problems = write_tables(tmp_path)
    once = convert_samples(samples, tmp_path / "first" / "out", first, problems=problems)
    twice = convert_samples(once, tmp_path / "second" / "out", second, problems=problems if first != "boinf" else None)
    read = read_samples_table(twice)
    # BoInf numbers problems: p and q become 0 and 1.
    names = {"p": "0", "q": "1"} if "boinf" in (first, second) else {}
    expected = SAMPLES.with_columns(pl.col("problem_id").replace(names))
    held = ["problem_id", "sample", "answer", "correct", "tokens"]
    assert_frame_equal(read.select(held), expected.select(held))


@pytest.mark.parametrize("form", ["nemo-skills", "lm-eval", "samples"])
def test_what_is_written_with_texts_is_read_as_it_was(tmp_path, form):
    samples, problems = write_tables(tmp_path)
    assert_frame_equal(read_samples_table(convert_samples(samples, tmp_path / "out", form, None, problems)), SAMPLES)


@pytest.mark.parametrize("form", ["nemo-skills", "lm-eval"])
def test_problems_are_read_as_they_were(tmp_path, form):
    samples, problems = write_tables(tmp_path)
    assert_frame_equal(read_problems_table(convert_samples(samples, tmp_path / "out", form, None, problems)), PROBLEMS)


def test_votes_hold_no_statements(tmp_path):
    assert read_problems_table(write(tmp_path, VOTE)).rows() == [("p", None, "7")]


def test_a_file_of_problems_is_read(tmp_path):
    path = write(tmp_path, {"problem": "3 + 4?", "answer": 7})
    assert read_problems_table(path).rows() == [("0", "3 + 4?", "7")]


def test_two_problems_of_one_id_are_refused(tmp_path):
    path = write(tmp_path, *[{"id": "p", "problem": problem, "answer": 7} for problem in ("3 + 4?", "5 + 2?")])
    with pytest.raises(FormatError, match="row 1: the id 'p' of an earlier problem"):
        read_problems_table(path)


def test_samples_state_no_problems(tmp_path):
    samples, _ = write_tables(tmp_path)
    with pytest.raises(FormatError, match="is a table of samples, which states no problems"):
        read_problems_table(samples)


@settings(max_examples=25, deadline=None)
@given(draw_tables(integers=True))
def test_any_table_survives_votes(tmp_path_factory, tables):
    samples, problems = tables
    folder = tmp_path_factory.mktemp("votes")
    samples.write_parquet(folder / "samples.parquet")
    problems.write_parquet(folder / "problems.parquet")
    path = convert_samples(folder / "samples.parquet", folder / "out.jsonl", "votes", "m", folder / "problems.parquet")
    held = ["problem_id", "sample", "answer", "tokens"]
    assert_frame_equal(read_samples_table(path).select(held), samples.select(held))


def test_votes_are_judged_by_the_verifier_and_written_in_plain_digits(tmp_path):
    row = VOTE | {"answers": ["07", "p+q=7", "8", None], "tokens": [1, 2, 3, 4]}
    table = read_samples_table(write(tmp_path, row))
    assert table["answer"].to_list() == ["7", "7", "8", None]
    assert table["correct"].to_list() == [True, True, False, False]


def test_what_votes_do_not_say_is_null_and_all_of_their_tokens_are_reasoning(tmp_path):
    table = read_samples_table(write(tmp_path, VOTE))
    assert table.schema == SAMPLE_SCHEMA
    assert [table[name].null_count() for name in ("text", "finish_reason", "seed")] == [2, 2, 2]
    assert table["reasoning_tokens"].to_list() == [5, 9]


def test_a_repeated_id_of_votes_is_another_problem(tmp_path):
    path = write(tmp_path, VOTE, VOTE | {"answers": ["8", "8"]})
    assert read_samples_table(path)["problem_id"].to_list() == ["p", "p", "p (2)", "p (2)"]
    assert read_problems_table(path)["id"].to_list() == ["p", "p (2)"]


def test_one_of_several_models_is_chosen_by_name(tmp_path):
    path = write(tmp_path, VOTE, VOTE | {"model": "n", "answers": ["8", "8"]})
    assert read_samples_table(path, "n")["answer"].to_list() == ["8", "8"]


def test_several_models_are_listed_where_none_is_chosen(tmp_path):
    path = write(tmp_path, VOTE, VOTE | {"model": "n"})
    with pytest.raises(FormatError, match=r"holds 2 models: m, n; want one of them \(--model, or PATH:MODEL"):
        read_samples_table(path)


def test_a_model_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    path = write(tmp_path, VOTE | {"model": "gpt-oss-20b"})
    with pytest.raises(FormatError, match="no model 'gpt-oss'; did you mean 'gpt-oss-20b'"):
        read_samples_table(path, "gpt-oss")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{", "line 2: no valid JSON"),
        ("[]", "line 2: a list; want one JSON object"),
        (VOTE | {"tokens": [5]}, "line 2: 'tokens' has 1 items; want 2, one a sample"),
        (VOTE | {"tokens": [5, -1]}, "line 2: 'tokens' is -1; want a whole number from 0"),
        (VOTE | {"tokens": [5, "9"]}, "line 2: 'tokens' is \"9\"; want a whole number"),
        (VOTE | {"answers": [], "tokens": []}, "line 2: 'answers' is empty"),
        (VOTE | {"gold": ["7"]}, "line 2: 'gold' is \\[\"7\"\\]; want text"),
        ({"id": "p", "answers": ["7"]}, "line 2: no model among id, answers"),
        (VOTE | {"id": "a", "gold": None}, "sample 0 of problem 'a' is not judged, and the problem has no gold"),
    ],
)
def test_a_broken_row_is_named_with_what_was_found_and_wanted(tmp_path, broken, message):
    path = write(tmp_path, VOTE, broken)
    with pytest.raises(FormatError, match=message):
        read_samples_table(path)


def test_an_id_with_two_golds_is_refused(tmp_path):
    path = write(tmp_path, VOTE, VOTE | {"model": "n", "gold": "8"})
    with pytest.raises(FormatError, match="line 2: another gold answer than earlier rows for problem 'p'"):
        read_problems_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; want one JSON object a line"),
        (b"\xff\xfe\n", "cannot be read"),
        (b'{"question": 1}\n', "line 1: the fields question; want parquet of samples, or .*votes"),
        (b"PAR1 and then nothing", "is no whole parquet file"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, message):
    (tmp_path / "file.jsonl").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_samples_table(tmp_path / "file.jsonl")
    with pytest.raises(SettingsError, match=r"file\.jsonl"):
        read_problems_table(tmp_path / "file.jsonl")


def test_another_parquet_file_is_refused(tmp_path):
    _, problems = write_tables(tmp_path)
    with pytest.raises(
        FormatError, match=r"no column problem_id, .* among id, problem, answer; want a table of samples"
    ):
        read_samples_table(problems)


@pytest.mark.parametrize("name", ["nothing.jsonl", "nowhere/file.jsonl", "output-rs*.jsonl"])
def test_what_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(FormatError, match="there is no file"):
        read_samples_table(tmp_path / name)


def test_a_folder_without_samples_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"holds no samples; want output-rs\*.jsonl"):
        read_samples_table(tmp_path)


def test_several_files_of_votes_are_refused(tmp_path):
    write(tmp_path, VOTE, name="a.jsonl")
    write(tmp_path, VOTE, name="b.jsonl")
    with pytest.raises(FormatError, match=r"is 2 files, from a.jsonl to b.jsonl; want one of them"):
        read_samples_table(tmp_path / "*.jsonl")


def test_a_problem_without_a_gold_answer_cannot_be_written(tmp_path):
    samples, _ = write_tables(tmp_path)
    problems = write(tmp_path, {"id": "p", "problem": "3 + 4?", "answer": 7})
    with pytest.raises(FormatError, match="1 problems have samples and no gold answer, the first is 'q'"):
        convert_samples(samples, tmp_path / "out.jsonl", "votes", problems=problems)


def test_votes_want_token_counts(tmp_path):
    row = {"doc_id": 0, "doc": {}, "target": "7", "resps": [["7"]], "filtered_resps": ["7"], "exact_match": 1}
    with pytest.raises(FormatError, match="samples of problem '0' have no token counts"):
        convert_samples(write(tmp_path, row), tmp_path / "out.jsonl", "votes")


def test_an_unknown_format_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'votes'"):
        convert_samples(write(tmp_path, VOTE), tmp_path / "out.jsonl", "vote")


@needs_shared
@pytest.mark.parametrize("model", ["Qwen3-30B-A3B-Thinking-2507", "Qwen3-14B"])
def test_recorded_votes_have_the_accuracy_of_their_integers(model):
    assert_accuracy("aime2024", model)


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("name", ["aime2024", "math500", "answerbench_a"])
def test_all_recorded_votes_have_the_accuracy_of_their_integers(name):
    rows = map(json.loads, (SHARED / "votes" / f"{name}.jsonl").read_text().splitlines())
    for model in dict.fromkeys(row["model"] for row in rows):
        assert_accuracy(name, model)


def assert_accuracy(name, model):
    path = SHARED / "votes" / f"{name}.jsonl"
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if row["model"] == model]
    right = [to_int(answer) == int(row["gold"]) for row in rows for answer in row["answers"]]
    table = read_samples_table(path, model)
    assert len(table) == len(right)
    # The verifier also takes answers that are no integer as they stand, such as a sum that was not worked out.
    surplus = table["correct"].mean() - sum(right) / len(right)
    assert 0 <= surplus <= 0.0011

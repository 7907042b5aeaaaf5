"""What is said about a recipe's data before they are read."""

import pytest

from fastmath.data.check import check_data, require_pinned_model
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
        ({"data__validation_path": "gone.csv"}, r"`data.validation_path`: there is no file .*gone\.csv"),
        ({"data__sources": [{"name": "a", "kind": "openr1", "path": "gone"}]}, r"source 'a': there is no .*gone"),
        (
            {"data__sources": [{"name": "a", "kind": "openr1", "path": "b/c", "revision": "main"}]},
            r"source 'a', `revision`: .* b/c is pinned to 'main', which is no commit",
        ),
        ({"data__test_path": "hf://datasets/b/c/d.csv"}, r"`data.test_path`: .* b/c is pinned to no commit"),
        ({"data__decontaminate": {"files": ["hf://datasets/b/c@v1/d.csv"]}}, r"files`: .* pinned to 'v1'"),
    ],
    ids=["test_path", "problems", "decontaminate", "validation", "source", "branch", "unpinned", "tag"],
)
def test_what_is_missing_is_named(tmp_path, overrides, message):
    with pytest.raises(SettingsError, match=message):
        check(tmp_path, **overrides)


def test_problems_without_traces_are_refused_by_a_recipe_that_learns_from_them(tmp_path):
    (tmp_path / "rows.csv").write_text("problem,answer\n1+1?,2\n")
    source = {"name": "a", "kind": "problems", "path": "rows.csv", "grpo": True}
    with pytest.raises(SettingsError, match="leave out what wants them: --set sft=null --set quantize=null"):
        check(tmp_path, data__sources=[source])
    check(tmp_path, data__sources=[source], sft=None, quantize=None)


@pytest.mark.parametrize(
    ("name", "text"),
    [("rows.csv", "question,solution\n1+1?,2\n"), ("rows.jsonl", '{"question": "1+1?", "solution": "2"}\n')],
)
def test_columns_of_other_names_are_asked_to_be_mapped(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    source = {"name": "a", "kind": "problems", "path": name, "grpo": True}
    without = {"sft": None, "quantize": None}
    with pytest.raises(
        SettingsError, match=r"its columns are question, solution\. Map them: columns: \{problem: <their"
    ):
        check(tmp_path, data__sources=[source], **without)
    columns = {"problem": "question", "answer": "solution"}
    check(tmp_path, data__sources=[source | {"columns": columns}], **without)


def test_a_csv_of_traces_in_lists_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("problem,answer,generations\n1+1?,2,two\n")
    with pytest.raises(SettingsError, match=r"rows\.csv is a CSV, .* want kind published or problems, or JSONL"):
        check(tmp_path, data__sources=[{"name": "a", "kind": "openr1", "path": "rows.csv"}])


def test_a_hub_model_is_refused_without_a_commit(tmp_path):
    (tmp_path / "test.jsonl").write_text(SIX)
    overrides = {"model.revision": None, "data.test_path": "test.jsonl"}
    with pytest.raises(SettingsError, match=r"`model.revision`: .*\.model_info\('deepseek-ai/DeepSeek-R1-Distill"):
        check_data(load_recipe("fast_math_r1_14b", overrides), tmp_path)


def test_a_model_folder_needs_no_commit(tmp_path):
    (tmp_path / "mine").mkdir()
    require_pinned_model(load_recipe("fast_math_r1_14b", {"model.name": "mine", "model.revision": None}), tmp_path)


def test_the_shipped_14b_recipe_says_what_must_be_pinned_before_it_runs(tmp_path):
    with pytest.raises(SettingsError, match=r"source 'openr1_hard', `revision`: .* is pinned to no commit"):
        check_data(load_recipe("fast_math_r1_14b"), tmp_path)

"""The problems of an evaluation: those of the run, or of files, also several with the same ids."""

import json
from pathlib import Path

import polars as pl
import pytest

from fastmath.evaluation.problem_sets import write_problems
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import MissingStageError, Stage
from helpers.files import SHARED, needs_shared


def stage(folder: Path, **settings: object) -> Stage:
    (folder / "run" / "evaluate").mkdir(parents=True, exist_ok=True)
    named = {f"evaluate.{name}": value for name, value in settings.items()}
    return Stage("evaluate", load_recipe("nano", {"evaluate.problems": None, **named}), folder / "run", folder)


def write_set(path: Path, *answers: str) -> str:
    rows = [{"id": number, "problem": f"{number}?", "answer": answer} for number, answer in enumerate(answers)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path.name


def test_sets_stand_side_by_side_under_their_names(tmp_path: Path) -> None:
    sets = [write_set(tmp_path / "one.jsonl", "1", "2"), write_set(tmp_path / "two.jsonl", r"\frac{1}{2}")]
    problems = pl.read_parquet(write_problems(stage(tmp_path, sets=sets)))
    assert problems.select("id", "set", "answer").rows() == [
        ("one/0", "one", "1"),
        ("one/1", "one", "2"),
        ("two/0", "two", r"\frac{1}{2}"),
    ]


def test_each_set_is_cut_to_its_first_problems(tmp_path: Path) -> None:
    sets = [write_set(tmp_path / "one.jsonl", "1", "2", "3"), write_set(tmp_path / "two.jsonl", "4")]
    problems = pl.read_parquet(write_problems(stage(tmp_path, sets=sets, problems=2)))
    assert problems["id"].to_list() == ["one/0", "one/1", "two/0"]


def test_csv_and_parquet_are_sets_like_jsonl(tmp_path: Path) -> None:
    table = pl.DataFrame({"problem": ["1?", "2?"], "answer": ["1", "2"]})
    table.write_csv(tmp_path / "one.csv")
    table.write_parquet(tmp_path / "two.parquet")
    problems = pl.read_parquet(write_problems(stage(tmp_path, sets=["one.csv", "two.parquet"])))
    assert problems["id"].to_list() == ["one/0", "one/1", "two/0", "two/1"]


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_set(tmp_path / "other" / "one.jsonl", "1")
    with pytest.raises(SettingsError, match="two sets of the name 'one'"):
        write_problems(stage(tmp_path, sets=[write_set(tmp_path / "one.jsonl", "1"), "other/one.jsonl"]))


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"`evaluate.sets`: there is no file .*nowhere.jsonl"):
        write_problems(stage(tmp_path, sets=["nowhere.jsonl"]))


def test_without_sets_the_runs_held_out_problems_are_asked_under_their_own_ids(tmp_path: Path) -> None:
    evaluation = stage(tmp_path)
    with pytest.raises(MissingStageError, match="which stage 'build_data' makes"):
        write_problems(evaluation)
    (tmp_path / "run" / "build_data").mkdir()
    held_out = pl.DataFrame({"id": ["a"], "problem": ["1?"], "answer": ["1"], "family": ["sum"]})
    held_out.write_parquet(tmp_path / "run" / "build_data" / "test.parquet")
    assert pl.read_parquet(write_problems(evaluation)).rows() == [(None, "a", "1?", "1", "sum", None)]


@needs_shared
def test_real_sets_stand_side_by_side_whole(tmp_path: Path) -> None:
    names = ("aime_2024", "aime_2025", "amc23", "math500", "aimo2_reference")
    sets = [str(SHARED / "problems" / f"{name}.jsonl") for name in names]
    problems = pl.read_parquet(write_problems(stage(tmp_path, sets=sets)))
    counts = dict(problems.group_by("set", maintain_order=True).len().iter_rows())
    assert counts == {"aime_2024": 30, "aime_2025": 30, "amc23": 40, "math500": 500, "aimo2_reference": 10}

"""A source of which nothing is left is refused with the reasons."""

import json
from pathlib import Path

import polars
import pytest

from fastmath.data import build
from fastmath.data.enough import NothingLeftError, count_reasons, require_rows
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage

MINE = {"name": "mine", "kind": "nano"}
NO_TRACES_WANTED = {"sft": None, "quantize": None}
NONE = polars.DataFrame(schema={"source": polars.String})
EMPTY = {"mine": {"rows": 40, "kept": 0, "no correct generation": 30, "malformed: no JSON": 10}}


def make_recipe(*sources, **settings):
    return load_recipe("nano", {"data.sources": list(sources)} | settings)


def test_the_reasons_are_counted_the_most_frequent_first():
    expected = "mine: 40 rows, 0 kept (30 no correct generation, 10 malformed: no JSON)"
    assert count_reasons("mine", EMPTY["mine"]) == expected


def test_a_source_of_which_nothing_is_left_is_refused_with_the_file_of_its_rows():
    with pytest.raises(NothingLeftError, match=r"mine: 40 rows, 0 kept \(30 no .* in rejects\.parquet"):
        require_rows(make_recipe(MINE), EMPTY, NONE, Path("rejects.parquet"))


def test_a_source_for_the_grpo_set_alone_is_none_of_them():
    recipe, funnel = make_recipe(MINE, MINE | {"name": "theirs"}), EMPTY | {"theirs": {"rows": 1, "kept": 1}}
    require_rows(recipe, funnel, polars.DataFrame({"source": ["mine"]}), Path("rejects.parquet"))


@pytest.mark.parametrize(("settings", "wanted"), [({}, True), (NO_TRACES_WANTED, False), ({"sft": None}, True)])
def test_traces_are_wanted_where_they_are_learned_or_calibrate(settings, wanted):
    recipe, grpo = make_recipe(MINE, **settings), polars.DataFrame({"source": ["mine"]})
    if not wanted:
        require_rows(recipe, EMPTY, grpo, Path("rejects.parquet"))
        return
    with pytest.raises(NothingLeftError, match="no source gives a row to the SFT set"):
        require_rows(recipe, EMPTY, grpo, Path("rejects.parquet"))


def test_a_source_with_one_row_left_is_kept():
    require_rows(make_recipe(MINE), {"mine": {"rows": 40, "kept": 1}}, NONE, Path("rejects.parquet"))


def test_the_data_stage_fails_with_the_reasons_and_leaves_the_rejects(tmp_path):
    row = {"problem": "What is 1+1?", "answer": "2", "generations": ["<think>\\boxed{3}</think>"]}
    (tmp_path / "mine.jsonl").write_text((json.dumps(row) + "\n") * 3)
    source = {"name": "mine", "kind": "openr1", "path": str(tmp_path / "mine.jsonl"), "grpo": True}
    recipe = load_recipe("nano", {"data.sources": [source], "data.workers": 1})
    stage = Stage("build_data", recipe, tmp_path / "run", tmp_path)
    with pytest.raises(NothingLeftError, match=r"mine: 3 rows, 0 kept"), stage.running():
        build.run(stage)
    assert polars.read_parquet(stage.folder / "rejects.parquet").height == 3

"""The data stage: what it keeps, what it counts, what it leaves out."""

import json

import polars
import pytest

from fastmath.data import build
from fastmath.recipes import REPOSITORY_FOLDER, load_recipe
from fastmath.runs import Stage
from tiny_recipe import TINY

SHARED = REPOSITORY_FOLDER.parent / "shared" / "data"


def run(run_dir, **overrides):
    stage = Stage("build_data", load_recipe("nano", TINY | overrides), run_dir)
    with stage.running():
        build.run(stage)
    return stage.folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run(tmp_path_factory.mktemp("run"))


def test_the_outcomes_of_a_source_sum_to_its_rows(folder):
    outcomes = json.loads((folder / "funnel.json").read_text())["nano"]
    assert sum(outcomes.values()) == 2 * outcomes["rows"]


def test_every_dropped_row_is_kept_aside_with_a_reason(folder):
    outcomes = json.loads((folder / "funnel.json").read_text())["nano"]
    rejects = polars.read_parquet(folder / "rejects.parquet").filter(~polars.col("reason").str.starts_with("GRPO"))
    assert len(rejects) == outcomes["rows"] - outcomes["kept"]


def test_the_sft_set_has_one_correct_complete_trace_a_problem(folder):
    sft = polars.read_parquet(folder / "sft.parquet")
    assert sft.columns == ["problem", "generation", "answer", "source", "tokens"]
    assert sft["problem"].is_unique().all()
    assert sft["generation"].str.contains("</think>", literal=True).all()


def test_the_same_seed_builds_the_same_set(folder, tmp_path):
    again = polars.read_parquet(run(tmp_path) / "sft.parquet")
    assert again.equals(polars.read_parquet(folder / "sft.parquet"))


def test_a_draw_limits_the_number_of_problems(tmp_path):
    assert len(polars.read_parquet(run(tmp_path, **{"data.sft_problems": 30}) / "sft.parquet")) == 30


def test_held_out_problems_are_removed_from_training(tmp_path):
    rows = polars.read_parquet(run(tmp_path / "first") / "sft.parquet")["problem"].to_list()
    held_out = tmp_path / "test.jsonl"
    held_out.write_text("".join(json.dumps({"problem": text.upper(), "answer": "1"}) + "\n" for text in rows[:5]))
    second = run(tmp_path / "second", **{"data.test_path": str(held_out)})
    reasons = polars.read_parquet(second / "rejects.parquet")["reason"].to_list()
    assert reasons.count("stands in the held-out problems") == 5
    assert not set(rows[:5]) & set(polars.read_parquet(second / "sft.parquet")["problem"])


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real traces are not in {SHARED}")
def test_real_traces_pass_the_same_selection_by_configuration_alone(tmp_path):
    traces = SHARED / "traces"
    sources = [
        {"name": "openr1", "kind": "openr1", "path": str(traces / "openr1_schema_rows.jsonl")},
        {"name": "distill", "kind": "openr1", "path": str(traces / "openr1_schema_rows_r1distill.jsonl")},
        {"name": "light", "kind": "light_r1", "path": str(traces / "light_r1_schema_rows.jsonl"), "grpo": True},
    ]
    folder = run(tmp_path, **{"data.sources": sources})
    funnel = json.loads((folder / "funnel.json").read_text())
    assert {name: outcomes["rows"] for name, outcomes in funnel.items()} == {"openr1": 5, "distill": 15, "light": 5}
    assert len(polars.read_parquet(folder / "sft.parquet")) == sum(outcomes["kept"] for outcomes in funnel.values()) > 0

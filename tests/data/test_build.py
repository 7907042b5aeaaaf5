"""The data stage: what it keeps, what it counts, what it leaves out."""

import json
from unittest.mock import patch

import datasets
import polars
import pytest

from fastmath.data import build, survey
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from helpers.files import FIXTURES, SHARED, needs_shared
from helpers.tiny_recipe import TINY


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


def test_calibration_texts_are_what_the_model_reads_and_writes(folder):
    texts = polars.read_parquet(folder / "calibration.parquet")["text"]
    sft = polars.read_parquet(folder / "sft.parquet")
    assert set(texts) <= {
        f"<|user|>{problem}<|assistant|>{generation}"
        for problem, generation in sft.select("problem", "generation").iter_rows()
    }


def test_a_draw_limits_the_number_of_problems(tmp_path):
    assert len(polars.read_parquet(run(tmp_path, **{"data.sft_problems": 30}) / "sft.parquet")) == 30


def test_held_out_problems_are_removed_from_training(tmp_path):
    rows = polars.read_parquet(run(tmp_path / "first") / "sft.parquet")["problem"].to_list()
    held_out = tmp_path / "test.jsonl"
    held_out.write_text("".join(json.dumps({"problem": text.upper(), "answer": "1"}) + "\n" for text in rows[:5]))
    second = run(tmp_path / "second", **{"data.test_path": str(held_out), "evaluate.problems": 5})
    reasons = polars.read_parquet(second / "rejects.parquet")["reason"].to_list()
    assert reasons.count("stands in the held-out problems") == 5
    assert not set(rows[:5]) & set(polars.read_parquet(second / "sft.parquet")["problem"])


def test_validation_problems_are_removed_from_training(tmp_path):
    rows = [{"id": "v-1", "problem": "P  2?", "answer": "7"}]
    path = write_rows(tmp_path / "validation.jsonl", rows)
    folder = build_from(tmp_path, [make_row("p 1"), make_row("p 2")], **{"data.validation_path": path})
    assert polars.read_parquet(folder / "rejects.parquet")["detail"].to_list() == ["validation v-1: same text"]
    assert polars.read_parquet(folder / "validation.parquet")["id"].to_list() == ["v-1"]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def make_row(problem, answer="7", generations=2, correct=1, **columns):
    traces = [f"<think>\n{'so ' * (10 + index)}\\boxed{{{answer}}}\n</think>" for index in range(generations)]
    flags = [index < correct for index in range(generations)]
    return {"problem": problem, "answer": answer, "generations": traces, "correctness_math_verify": flags} | columns


def build_from(folder, rows, **overrides):
    source = {"name": "made", "kind": "openr1", "path": write_rows(folder / "rows.jsonl", rows)}
    return run(folder / "run", **{"data.sources": [source]} | overrides)


def reasons(folder):
    rejects = polars.read_parquet(folder / "rejects.parquet").filter(~polars.col("reason").str.starts_with("GRPO"))
    return dict(rejects.select("index", "reason").iter_rows())


def test_the_folder_is_a_dataset_that_datasets_loads(folder, tmp_path):
    rows = datasets.load_dataset(str(folder), "sft", split="train", cache_dir=str(tmp_path))
    assert rows.column_names == ["problem", "generation", "answer", "source", "tokens"]
    assert len(rows) == len(polars.read_parquet(folder / "sft.parquet"))


def test_the_card_tells_sources_counts_and_settings(folder):
    card = (folder / "README.md").read_text()
    assert all(text in card for text in ("made by `fastmath.nano.rows`", "| nano | kept |", "near_duplicates: null"))


def test_the_chosen_trace_is_the_shortest_correct_one(tmp_path):
    row = make_row("p 1", generations=3, correct=3)
    row["generations"] = [row["generations"][index] for index in (2, 0, 1)]
    sft = polars.read_parquet(build_from(tmp_path, [row]) / "sft.parquet")
    assert sft["generation"].to_list() == [row["generations"][1]]


def test_repetitions_are_told_apart_by_what_they_repeat(tmp_path):
    long = "Alice and Bob walk from A to B at 3 and 4 kilometres an hour and meet after 7 hours where is B"
    rows = [make_row(long), make_row(long.upper()), make_row("Kindly: " + long), make_row(long.replace("7", "8"))]
    found = reasons(build_from(tmp_path, rows, **{"data.near_duplicates": 0.8}))
    assert found == {1: "repeats an earlier problem", 2: "rewords an earlier problem"}


def test_a_uuid_with_two_problems_keeps_the_first(tmp_path):
    rows = [make_row("p 1", uuid="a"), make_row("p 2", uuid="a"), make_row("p 3", uuid="b")]
    assert reasons(build_from(tmp_path, rows)) == {1: "repeats a uuid with another problem"}


def test_a_trace_that_the_trainer_would_cut_off_is_left_out(tmp_path):
    rows = [make_row(f"What is {number} + 1?", generations=1) for number in (1, 2)]
    rows[1]["generations"] = [rows[1]["generations"][0].replace("so ", "so " * 200, 1)]
    folder = build_from(tmp_path, rows, **{"sft.trainer.max_length": 150})
    assert reasons(folder) == {1: "longer than 150 tokens with its prompt"}


def test_as_many_problems_as_asked_for_have_an_answer_in_the_range(tmp_path):
    rows = [make_row(f"What is {number} + 1?", answer=str(number)) for number in range(900, 1100)]
    source = {"name": "made", "kind": "openr1", "path": write_rows(tmp_path / "rows.jsonl", rows), "grpo": True}
    folder = run(tmp_path / "run", **{"data.sources": [source], "data.grpo_problems": 50})
    assert len(polars.read_parquet(folder / "grpo.parquet")) == 50


def test_rules_and_draws_are_different_reasons(tmp_path):
    rows = [make_row("p 1"), make_row("p 2"), make_row("p 3", correct=2)]
    source = {"name": "made", "kind": "openr1", "path": write_rows(tmp_path / "rows.jsonl", rows)}
    source["rules"] = [{"name": "half", "accuracy_at_most": 0.5, "draw": 1}]
    found = reasons(run(tmp_path / "run", **{"data.sources": [source]}))
    assert sorted(found.values()) == ["not drawn", "outside the rules"]
    assert found[2] == "outside the rules"


def test_an_evaluation_set_is_kept_out_by_configuration(tmp_path):
    files = [write_rows(tmp_path / "aime.jsonl", [{"id": "I-1", "problem": "P  2?"}])]
    folder = build_from(tmp_path, [make_row("p 1"), make_row("p 2")], **{"data.decontaminate.files": files})
    rejects = polars.read_parquet(folder / "rejects.parquet")
    assert rejects["detail"].to_list() == ["aime I-1: same text"]


def test_generations_without_flags_are_verified(tmp_path):
    rows = [make_row("p 1", answer=r"\frac{1}{2}"), make_row("p 2", answer=r"\frac{1}{2}") | {"answer": "1/3"}]
    for row in rows:
        del row["correctness_math_verify"]
    assert reasons(build_from(tmp_path, rows)) == {1: "no correct generation"}


def test_a_grpo_set_may_be_a_source_of_its_own_that_repeats_the_sft_set(tmp_path):
    sft = write_rows(tmp_path / "sft.jsonl", [make_row("p 1"), make_row("p 2")])
    grpo = write_rows(tmp_path / "grpo.jsonl", [{"problem": text, "answer": 7} for text in ("p 2", "p 3", "P 3")])
    sources = [
        {"name": "sft", "kind": "openr1", "path": sft},
        {"name": "grpo", "kind": "problems", "path": grpo, "grpo": True},
    ]
    folder = run(tmp_path / "run", **{"data.sources": sources})
    assert polars.read_parquet(folder / "sft.parquet")["problem"].to_list() == ["p 1", "p 2"]
    assert polars.read_parquet(folder / "grpo.parquet")["problem"].to_list() == ["p 2", "p 3"]
    assert set(reasons(folder).values()) == {"for the GRPO set alone"}


def test_broken_characters_are_repaired_or_the_row_is_left_out(tmp_path):
    folder = build_from(tmp_path, [make_row("What is $\x0crac{1}{2}$ of 14?"), make_row("What is \x0czzz?")])
    assert polars.read_parquet(folder / "sft.parquet")["problem"].to_list() == [r"What is $\frac{1}{2}$ of 14?"]
    assert reasons(folder) == {1: "broken control characters"}


def test_any_number_of_processes_builds_the_same_set(tmp_path):
    rows = [make_row(f"problem {index}", str(index)) for index in range(40)]
    (tmp_path / "rows").mkdir()
    for start in (0, 20):
        write_rows(tmp_path / "rows" / f"{start:02}.jsonl", rows[start : start + 20])
    source = {"name": "made", "kind": "openr1", "path": str(tmp_path / "rows"), "rules": [{"name": "r", "draw": 15}]}
    one, two = (
        run(tmp_path / f"run{workers}", **{"data.sources": [source], "data.workers": workers}) for workers in (1, 2)
    )
    assert polars.read_parquet(one / "sft.parquet").equals(polars.read_parquet(two / "sft.parquet"))
    assert polars.read_parquet(one / "rejects.parquet").equals(polars.read_parquet(two / "rejects.parquet"))


def test_an_interrupted_build_does_not_judge_again_what_it_has_judged(tmp_path):
    with patch.object(build, "draw_rows", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    with patch.object(survey, "judge_rows", side_effect=AssertionError("judged again")):
        assert len(polars.read_parquet(run(tmp_path) / "sft.parquet")) > 0


def test_traces_in_the_schemas_of_the_paper_pass_the_selection_by_configuration_alone(tmp_path):
    traces = FIXTURES / "traces"
    sources = [
        {"name": "openr1", "kind": "openr1", "path": str(traces / "openr1.jsonl")},
        {"name": "light", "kind": "light_r1", "path": str(traces / "light_r1.jsonl"), "grpo": True},
    ]
    folder = run(tmp_path, **{"data.sources": sources, "data.max_tokens": 100_000})
    kept = polars.read_parquet(folder / "sft.parquet")
    # Every problem has a right trace; of the first one's two the shorter is taken.
    assert kept["answer"].to_list() == ["146", "5", r"\frac{3}{5}", "12", "24", "72", "11", "41"]
    assert "gives 146" in kept["generation"][0]
    assert polars.read_parquet(folder / "grpo.parquet")["answer"].to_list() == ["72", "11", "41"]


@needs_shared
def test_real_traces_pass_the_same_selection_by_configuration_alone(tmp_path):
    traces = SHARED / "traces"
    sources = [
        {"name": "openr1", "kind": "openr1", "path": str(traces / "openr1_schema_rows.jsonl")},
        {"name": "distill", "kind": "openr1", "path": str(traces / "openr1_schema_rows_r1distill.jsonl")},
        {"name": "light", "kind": "light_r1", "path": str(traces / "light_r1_schema_rows.jsonl"), "grpo": True},
    ]
    folder = run(tmp_path, **{"data.sources": sources, "data.max_tokens": 100_000})
    funnel = json.loads((folder / "funnel.json").read_text())
    assert {name: outcomes["rows"] for name, outcomes in funnel.items()} == {"openr1": 5, "distill": 15, "light": 5}
    assert len(polars.read_parquet(folder / "sft.parquet")) == sum(outcomes["kept"] for outcomes in funnel.values()) > 0


def test_of_ten_boxes_the_last_one_is_the_answer(tmp_path):
    row = make_row("p 1", answer="9")
    boxes = " ".join(rf"\boxed{{{number}}}" for number in range(10))
    row |= {"generations": [f"<think>\n{boxes}\n</think>"] * 2, "correctness_math_verify": None}
    assert len(polars.read_parquet(build_from(tmp_path, [row]) / "sft.parquet")) == 1


def test_a_trace_of_five_megabytes_is_measured_like_any_other(tmp_path):
    row = make_row("p 1", generations=1)
    row["generations"] = ["<think>\n" + "so we go on " * 450_000 + "\n</think>\n\\boxed{7}"]
    source = {"name": "made", "kind": "openr1", "path": write_rows(tmp_path / "rows.jsonl", [row])}
    source["rules"] = [{"name": "long", "trace_tokens_above": 1_000_000}]
    sft = polars.read_parquet(
        run(tmp_path / "run", **{"data.sources": [source], "data.max_tokens": 10_000_000}) / "sft.parquet"
    )
    # Four words each, none of fewer tokens than one
    assert sft["tokens"].item() > 4 * 450_000

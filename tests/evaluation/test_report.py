"""The report: its keys, its budgets, where its figures come from, and its tables."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from fastmath.data.held_out import HELD_OUT_SCHEMA
from fastmath.evaluation.models import samples_path
from fastmath.evaluation.report import (
    ReportError,
    build_report,
    main,
    render_kinds_table,
    render_runs_table,
    render_table,
)
from fastmath.recipe.sections import Recipe
from fastmath.sampling.samples import SAMPLE_SCHEMA

KERNEL = {
    "questions": 50,
    "answered": 50,
    "correct": 48,
    "seconds": 20.0,
    "limit_seconds": 30.0,
    "tokens": 10_000,
    "tokens_full_vote": 40_000,
}


def make_recipe() -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "seed": 3,
            "model": {"name": "nano", "nano": {}},
            "data": {"sources": [{"name": "nano", "kind": "nano"}]},
            "sft": {},
            "grpo": {"rewards": [{"name": "cosine"}]},
            "quantize": {},
            "evaluate": {"samples": 2, "token_budget": 100},
            "kernel": {},
        }
    )


def write_samples(run_dir: Path, model: str, lengths: list[int]) -> None:
    """Two samples a problem, the first right and the second without an answer."""
    rows = []
    for index, length in enumerate(lengths):
        rows.append((f"p{index}", 0, "so \\boxed{7}.\n</think>", "7", True, length, length - 5, "stop", 1))
        rows.append((f"p{index}", 1, "so", None, False, length, length, "stop", 2))
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row").write_parquet(samples_path(run_dir, model))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "config.yaml").write_text(yaml.safe_dump(make_recipe().model_dump(mode="json")))
    manifests: dict[str, dict[str, Any]] = {
        "sft": {"seconds": 12.5, "peak_memory_gib": 1.5},
        "grpo": {"seconds": 8.0, "peak_memory_gib": 2.5},
        "evaluate": {"seconds": 3.0, "git": {"commit": "abc", "dirty": False}},
        "kernel": {"status": "running"},
    }
    for stage, manifest in manifests.items():
        (tmp_path / stage).mkdir(exist_ok=True)
        (tmp_path / stage / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "build_data").mkdir()
    problems = [("p0", "?", 7, "chain", "easy"), ("p1", "?", 7, "count", "hard")]
    table = pl.DataFrame(problems, schema=HELD_OUT_SCHEMA, orient="row")
    table.write_parquet(tmp_path / "build_data" / "test.parquet")
    write_samples(tmp_path, "sft", [40, 60])
    write_samples(tmp_path, "grpo", [20, 30])
    return tmp_path


def test_the_report_has_the_agreed_keys(run_dir: Path) -> None:
    report = build_report(run_dir)
    assert list(report) == ["recipe", "seed", "commit", "wall_seconds", "peak_memory_gib", "models"]
    assert list(report["models"][0]["budgets"][0]) == [
        "token_budget",
        "pass@1",
        "majority@2",
        "pass@2",
        "answers_collected",
        "answers_collected_interval",
        "mean_tokens",
        "mean_tokens_interval",
        "reasoning_tokens",
        "reasoning_tokens_interval",
        "cut_off",
        "majority",
        "pass",
    ]


def test_the_report_is_written_to_the_top_of_the_run(run_dir: Path) -> None:
    assert build_report(run_dir) == json.loads((run_dir / "report.json").read_text())


def test_budgets_are_the_largest_the_median_of_sft_and_its_share(run_dir: Path) -> None:
    # SFT samples have 40, 40, 60, 60 tokens: median 50, 0.7 · 50 = 35
    for model in build_report(run_dir)["models"]:
        assert [entry["token_budget"] for entry in model["budgets"]] == [100, 50, 35]


def test_models_stand_in_the_order_in_which_they_were_made(run_dir: Path) -> None:
    write_samples(run_dir, "awq", [20, 20])
    write_samples(run_dir, "sft-epoch-1", [20, 20])
    assert [model["name"] for model in build_report(run_dir)["models"]] == ["sft-epoch-1", "sft", "grpo", "awq"]


def test_figures_under_a_budget(run_dir: Path) -> None:
    sft = build_report(run_dir)["models"][0]["budgets"][1]
    # under 50 tokens only the first problem's samples are whole: 1 of 2 right there, 0 of 2 in the other
    assert sft["pass@1"]["value"] == pytest.approx((1 / 2 + 0) / 2)
    assert sft["majority@2"]["value"] == pytest.approx((1 + 0) / 2)
    assert sft["answers_collected"] == pytest.approx((1 + 0) / 2)
    # 40, 40 and twice 50 of 60
    assert sft["mean_tokens"] == pytest.approx((40 + 40 + 50 + 50) / 4)
    # the first sample of each problem ends its reasoning 5 tokens earlier: 35 and 40, 50 and 50 of 55 and 60
    assert sft["reasoning_tokens"] == pytest.approx((35 + 40 + 50 + 50) / 4)


def test_curves_go_from_one_sample_to_all(run_dir: Path) -> None:
    sft = build_report(run_dir)["models"][0]["budgets"][0]
    # one of the two samples is right, the other has no answer; two problems alike
    assert {k: entry["value"] for k, entry in sft["majority"].items()} == pytest.approx({"1": 1 / 2, "2": 1})
    assert {k: entry["value"] for k, entry in sft["pass"].items()} == pytest.approx({"1": 1 / 2, "2": 1})
    assert (sft["majority"]["2"], sft["pass"]["2"]) == (sft["majority@2"], sft["pass@2"])


def test_the_samples_that_a_budget_cuts_are_counted(run_dir: Path) -> None:
    # of 40, 40, 60, 60 tokens a budget of 50 cuts two
    largest, median, _ = build_report(run_dir)["models"][0]["budgets"]
    assert (largest["cut_off"]["value"], median["cut_off"]["value"]) == (0.0, pytest.approx(2 / 4))


def test_every_interval_contains_its_figure(run_dir: Path) -> None:
    for budget in build_report(run_dir)["models"][0]["budgets"]:
        for name in ("answers_collected", "mean_tokens", "reasoning_tokens"):
            interval = budget[f"{name}_interval"]
            assert interval["low"] <= budget[name] <= interval["high"]


def test_figures_stand_by_difficulty_at_the_largest_budget(run_dir: Path) -> None:
    lines = render_kinds_table(build_report(run_dir), "difficulty").splitlines()
    assert [line.split(" | ")[:3] for line in lines[2:]] == [
        ["| easy", "1", "sft"],
        ["| easy", "1", "grpo"],
        ["| hard", "1", "sft"],
        ["| hard", "1", "grpo"],
    ]
    assert lines[4].endswith("| 57.5 | 60.0 |")  # (55 + 60) / 2 tokens of reasoning, 60 in all


def test_problems_that_do_not_say_their_kind_have_no_such_table(run_dir: Path) -> None:
    path = run_dir / "build_data" / "test.parquet"
    pl.read_parquet(path).with_columns(family=pl.lit(None, pl.String)).write_parquet(path)
    report = build_report(run_dir)
    assert render_kinds_table(report, "family") == ""
    assert render_kinds_table(report, "difficulty") != ""


def test_wall_seconds_leave_out_a_stage_that_has_not_ended(run_dir: Path) -> None:
    assert build_report(run_dir)["wall_seconds"] == {"sft": 12.5, "grpo": 8.0, "evaluate": 3.0}


def test_peak_memory_is_the_largest_of_the_stages(run_dir: Path) -> None:
    assert build_report(run_dir)["peak_memory_gib"] == 2.5


def test_uncommitted_changes_are_marked(run_dir: Path) -> None:
    manifest = {"git": {"commit": "abc", "dirty": True}}
    (run_dir / "evaluate" / "manifest.json").write_text(json.dumps(manifest))
    assert build_report(run_dir)["commit"] == "abc-dirty"


def test_the_kernel_joins_once_it_has_run(run_dir: Path) -> None:
    assert "kernel" not in build_report(run_dir)
    (run_dir / "kernel" / "report.json").write_text(json.dumps(KERNEL))
    assert build_report(run_dir)["kernel"] == KERNEL


def test_a_run_without_an_evaluation_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="run stage 'evaluate'"):
        build_report(tmp_path)


def test_without_an_sft_model_the_first_one_sets_the_budgets(run_dir: Path) -> None:
    samples_path(run_dir, "sft").rename(samples_path(run_dir, "base"))
    # samples of the base model have 40, 40, 60, 60 tokens: median 50, 0.7 · 50 = 35
    models = {model["name"]: model["budgets"] for model in build_report(run_dir)["models"]}
    assert list(models) == ["base", "grpo"]
    assert [entry["token_budget"] for entry in models["grpo"]] == [100, 50, 35]


def test_a_run_without_samples_says_so(run_dir: Path) -> None:
    for model in ("sft", "grpo"):
        samples_path(run_dir, model).unlink()
    with pytest.raises(ReportError, match="there are no samples in"):
        build_report(run_dir)


def test_the_table_has_a_row_a_model_and_budget(run_dir: Path) -> None:
    table = render_table(build_report(run_dir)).splitlines()
    assert table[0].startswith("| model | token budget | pass@1 | majority@2 | pass@2 |")
    assert len(table) == 2 + 2 * 3
    assert table[2].startswith("| sft | 100 | 0.500 [")


def test_the_kernel_stands_below_the_table(run_dir: Path) -> None:
    (run_dir / "kernel" / "report.json").write_text(json.dumps(KERNEL))
    # 10,000 of 40,000 tokens are 25 %
    assert render_table(build_report(run_dir)).endswith(
        "Kernel: 50 of 50 questions answered in time, 48 right, in 20.0 s of 30.0 s, with 10,000 tokens, 25% of the "
        "40,000 of full votes."
    )


def test_several_runs_stand_below_each_other_by_model_and_budget(run_dir: Path) -> None:
    report = build_report(run_dir)
    lines = render_runs_table({"a": report, "b": report}).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == ["| a", "| b", "| a", "| b"]
    assert len(lines) == 2 + 2 * 2 * 3


def test_the_command_prints_the_table(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = build_report(run_dir)
    assert main([str(run_dir)]) == 0
    assert capsys.readouterr().out.strip() == render_table(report)

"""The report: its keys, its budgets, and where its figures come from."""

import json
from pathlib import Path

import polars as pl
import pytest

from fastmath.evaluation.models import samples_path
from fastmath.evaluation.problem_sets import PROBLEMS, SCHEMA
from fastmath.evaluation.report import ReportError, build_report
from helpers.evaluated_run import KERNEL, write_evaluated_run, write_samples


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_evaluated_run(tmp_path)


def test_the_report_has_the_agreed_keys(run_dir: Path) -> None:
    report = build_report(run_dir)
    assert list(report) == [
        "recipe",
        "seed",
        "commit",
        "wall_seconds",
        "peak_memory_gib",
        "models",
        "comparisons",
    ]
    assert list(report["models"][0]) == ["name", "budgets", "kinds", "sets", "extraction"]
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
    samples_path(run_dir, "sft").rename(samples_path(run_dir, "sft-epoch-1"))
    # samples of the first model have 40, 40, 60, 60 tokens: median 50, 0.7 · 50 = 35
    models = {model["name"]: model["budgets"] for model in build_report(run_dir)["models"]}
    assert list(models) == ["sft-epoch-1", "grpo"]
    assert [entry["token_budget"] for entry in models["grpo"]] == [100, 50, 35]


def test_a_run_without_samples_says_so(run_dir: Path) -> None:
    for model in ("sft", "grpo"):
        samples_path(run_dir, model).unlink()
    with pytest.raises(ReportError, match="there are no samples in"):
        build_report(run_dir)


def test_absolute_budgets_replace_the_shares(tmp_path: Path) -> None:
    run_dir = write_evaluated_run(tmp_path, budgets=[30, 80])
    for model in build_report(run_dir)["models"]:
        assert [entry["token_budget"] for entry in model["budgets"]] == [100, 80, 30]


def test_sets_are_measured_at_every_budget(run_dir: Path) -> None:
    rows = [("one", "p0", "?", "7", None, None), ("two", "p1", "?", "7", None, None)]
    pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet(run_dir / "evaluate" / PROBLEMS)
    sft = build_report(run_dir)["models"][0]
    assert [(name, found["problems"]) for name, found in sft["sets"].items()] == [("one", 1), ("two", 1)]
    # samples of `one` have 40 tokens and those of `two` have 60: a budget of 50 cuts the second set
    assert [found["budgets"][1]["pass@1"]["value"] for found in sft["sets"].values()] == [1 / 2, 0]


def test_each_model_is_compared_with_the_one_before_it(run_dir: Path) -> None:
    write_samples(run_dir, "awq", [20, 20])
    report = build_report(run_dir)
    assert [(pair["a"], pair["b"]) for pair in report["comparisons"]] == [("sft", "grpo"), ("grpo", "awq")]
    # (40 + 60) / 2 = 50 tokens a sample become (20 + 30) / 2 = 25
    assert report["comparisons"][0]["tokens"]["difference"] == -25
    # under 50 tokens one more problem of two is answered in time, right by its one right sample of two
    assert report["comparisons"][0]["budgets"][0]["pass@1"]["difference"] == pytest.approx((0 + 1 / 2) / 2)


def test_extraction_is_counted_for_each_model(run_dir: Path) -> None:
    extraction = build_report(run_dir)["models"][0]["extraction"]
    # of two samples of each of two problems one is right, and one ended without a box
    assert (extraction["samples"], extraction["correct"], extraction["ended_without_box"]) == (4, 2, 2)

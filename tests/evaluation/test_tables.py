"""Reports as markdown tables: rows, spreads over runs, sets, kinds and words."""

import json
from pathlib import Path

import polars as pl
import pytest

from fastmath.evaluation.problem_sets import PROBLEMS, SCHEMA
from fastmath.evaluation.report import build_report
from fastmath.evaluation.tables import (
    main,
    render_curves_table,
    render_kinds_table,
    render_report,
    render_runs_table,
    render_table,
)
from helpers.evaluated_run import KERNEL, write_evaluated_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_evaluated_run(tmp_path)


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
    assert [line.split(" | ")[0] for line in lines[2:8]] == ["| a", "| b", "| mean ± σ"] * 2
    assert len(lines) == 2 + 2 * 3 * 3


def test_the_spread_over_runs_is_the_standard_deviation(run_dir: Path) -> None:
    one, other = build_report(run_dir), build_report(run_dir)
    other["models"][0]["budgets"][0]["pass@1"]["value"] = 0.7
    # 0.5 and 0.7: mean 0.6, standard deviation 0.2 / sqrt(2) = 0.141
    assert render_runs_table({"a": one, "b": other}).splitlines()[4].split(" | ")[3] == "0.600 ± 0.141"


def test_budgets_of_runs_that_differ_have_their_spread_too(run_dir: Path) -> None:
    one, other = build_report(run_dir), build_report(run_dir)
    other["models"][0]["budgets"][1]["token_budget"] = 60
    # shares of medians 50 and 60: mean 55, standard deviation 10 / sqrt(2) = 7.07
    assert render_runs_table({"a": one, "b": other}).splitlines()[7].split(" | ")[2] == "55 ± 7"


def test_curves_have_a_column_a_number_of_samples(run_dir: Path) -> None:
    lines = render_curves_table(build_report(run_dir), "majority").splitlines()
    assert lines[0] == "| model | majority@1 | majority@2 |"
    assert lines[2].startswith("| sft | 0.500 [")


def name_sets(run_dir: Path, *names: str) -> None:
    rows = [(name, f"p{place}", "?", "7", None, None) for place, name in enumerate(names)]
    pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet(run_dir / "evaluate" / PROBLEMS)


def test_a_report_of_several_sets_has_a_table_for_each_and_one_for_all(run_dir: Path) -> None:
    name_sets(run_dir, "one", "two")
    titles = [line for line in render_report(build_report(run_dir)).splitlines() if line.startswith("## ")]
    assert titles == ["## one", "## two", "## All sets together"]


def test_published_figures_of_a_set_stand_below_ours_and_say_so(run_dir: Path) -> None:
    name_sets(run_dir, "aime_2024", "aime_2024")
    assert "Published, not measured here" in render_report(build_report(run_dir))


def test_a_comparison_is_told_in_words(run_dir: Path) -> None:
    assert "pass@1 moves by nothing" in render_report(build_report(run_dir))


def test_the_command_prints_the_table(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = build_report(run_dir)
    assert main([str(run_dir)]) == 0
    assert capsys.readouterr().out.strip() == render_table(report)

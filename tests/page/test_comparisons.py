"""Paired comparisons within a run and between runs."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from fastmath.evaluation.models import samples_path
from fastmath.page.comparisons import compare_runs
from fastmath.page.run_folders import Run, read_runs


def test_each_model_is_compared_with_the_one_before_it(run: Run) -> None:
    pairs = compare_runs([run]).pairs
    assert [(pair.a, pair.b) for pair in pairs] == [("sft", "grpo"), ("grpo", "awq")]


def test_models_of_one_name_are_compared_between_runs(runs: list[Run]) -> None:
    pairs = compare_runs(runs).pairs
    assert [(pair.a, pair.b) for pair in pairs[4:]] == [
        ("alpha: sft", "beta: sft"),
        ("alpha: grpo", "beta: grpo"),
        ("alpha: awq", "beta: awq"),
    ]


def test_a_difference_is_told_with_its_interval_and_what_it_shows(run: Run) -> None:
    pair = compare_runs([run]).pairs[0]
    tokens = next(change for change in pair.changes if change.metric == "tokens a sample")
    assert (tokens.words, tokens.is_shown, tokens.text.startswith("-")) == ("shown", True, True)


def test_the_widest_interval_of_a_kind_reaches_the_end_of_its_picture(run: Run) -> None:
    pair = compare_runs([run]).pairs[0]
    tokens = [change for change in pair.changes if "tokens" in change.metric]
    shares = [change for change in pair.changes if "tokens" not in change.metric]
    for changes in (tokens, shares):
        assert max(abs(end) for change in changes for end in (change.low, change.high)) == pytest.approx(1)


def test_runs_of_other_problems_are_not_compared_and_that_is_said(run: Run, other_dir: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(other_dir, tmp_path / "moved")
    for model in ("sft", "grpo", "awq"):
        path = samples_path(moved, model)
        pl.read_parquet(path).with_columns(pl.format("other-{}", "problem_id").alias("problem_id")).write_parquet(path)
    found = compare_runs([run, *read_runs([moved])])
    assert len(found.pairs) == 4
    assert all("no problem stands in both" in note for note in found.notes)


def test_a_run_that_is_not_evaluated_has_nothing_to_compare(tmp_path: Path) -> None:
    assert compare_runs(read_runs([tmp_path])).pairs == ()

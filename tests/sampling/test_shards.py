"""Samples on disk: what is pending, what a kill leaves, and what is joined to one file."""

from pathlib import Path

import polars as pl
import pytest

from fastmath.recipe.errors import SettingsError
from fastmath.sampling.processes import finish_job
from fastmath.sampling.shards import ShardWriter, is_judged, list_pending, read_drawn
from helpers.tiny_jobs import make_tiny_job

PROBLEMS = pl.DataFrame({"id": ["a", "b"], "problem": ["1?", "2?"], "answer": ["7", r"\frac{1}{2}"]})


def draw(job, count: int | None = None, rows: int = 3) -> None:
    """Write pending samples as a sampling process does; `count` leaves out the rest."""
    pending = list_pending(job).head(len(list_pending(job)) if count is None else count)
    with ShardWriter(job.shards, rows, rank=0) as writer:
        for key in pending.rows(named=True):
            text = f"So \\boxed{{{key['sample']}}}.</think>"
            writer.add(key | {"text": text, "tokens": 5, "reasoning_tokens": 5, "finish_reason": "stop", "seed": 1})


def keys(table: pl.DataFrame) -> list[tuple[str, int]]:
    return table.select("problem_id", "sample").rows()


def test_shards_hold_as_many_samples_as_asked_for_and_the_last_one_the_rest(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=4)
    draw(job)  # 2 problems of 4 samples: 3 + 3 + 2
    assert [pl.read_parquet(path).height for path in sorted(job.shards.iterdir())] == [3, 3, 2]


def test_a_process_that_goes_on_writes_new_shards(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=4)
    draw(job, 3)
    draw(job)
    assert keys(read_drawn(job)) == keys(read_drawn(job).unique(maintain_order=True))
    assert read_drawn(job).height == 8


def test_what_is_drawn_is_not_pending(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=2)
    draw(job, 3)
    assert keys(list_pending(job)) == [("b", 1)]


def test_a_finished_job_has_one_file_in_the_order_of_its_problems_and_no_shards(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=2)
    draw(job)
    finish_job(job)
    assert keys(pl.read_parquet(job.destination)) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert not job.shards.exists()
    assert is_judged(job)
    assert list_pending(job).is_empty()


def test_a_job_with_samples_missing_is_not_called_finished(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=2)
    draw(job, 3)
    with pytest.raises(SettingsError, match=r"3 of 4 samples are in .* only those that are missing are drawn"):
        finish_job(job)
    assert keys(list_pending(job)) == [("b", 1)]


def test_more_samples_of_a_finished_job_add_to_it(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=1)
    draw(job)
    finish_job(job)
    more = make_tiny_job(model, PROBLEMS, tmp_path, samples=3)
    assert keys(list_pending(more)) == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    draw(more)
    assert finish_job(more).height == 6


def test_another_text_under_the_same_id_is_drawn_anew(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=1)
    draw(job)
    finish_job(job)
    changed = PROBLEMS.with_columns(problem=pl.Series(["1?", "another?"]))
    assert keys(list_pending(make_tiny_job(model, changed, tmp_path, samples=1))) == [("b", 0)]


def test_another_reference_answer_judges_the_same_samples_again(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=1)
    draw(job)
    assert finish_job(job)["correct"].to_list() == [False, False]
    corrected = make_tiny_job(model, PROBLEMS.with_columns(answer=pl.lit("0")), tmp_path, samples=1)
    assert list_pending(corrected).is_empty()
    assert not is_judged(corrected)
    assert finish_job(corrected)["correct"].to_list() == [True, True]


def test_samples_of_other_settings_are_not_taken(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path, samples=1)
    draw(job)
    finish_job(job)
    assert list_pending(make_tiny_job(model, PROBLEMS, tmp_path, samples=1, temperature=0.5)).height == 2

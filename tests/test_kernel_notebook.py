"""The kernel's notebook on the competition's own reference problems, with the quantised model of the tiny run."""

import polars as pl

from helpers.background import QUESTIONS


def test_reference_problems_get_int64_answers(reference_contest):
    run_dir, finished = reference_contest
    assert finished.returncode == 0, finished.stderr[-2000:]
    submission = pl.read_parquet(run_dir / "kernel" / "submission.parquet")
    asked = pl.read_csv(QUESTIONS, schema_overrides={"id": pl.String})
    assert dict(submission.schema) == {"id": pl.String, "answer": pl.Int64}
    assert sorted(submission["id"]) == sorted(asked["id"])
    assert submission["answer"].is_between(0, 999).all()


def test_without_an_evaluation_the_notebook_says_why_nothing_is_replayed(reference_contest):
    run_dir, _ = reference_contest
    told = (run_dir / "kernel" / "limits.md").read_text()
    assert told.startswith("Nothing is replayed: the samples of this model on these questions have not been recorded")

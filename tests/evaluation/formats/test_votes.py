"""A run's samples as recorded votes: what is written can be replayed."""

from pathlib import Path

import polars as pl

from fastmath.evaluation.formats.votes import write_votes
from fastmath.replay.votes import RecordedSample, Recording, read_votes
from fastmath.sampling.samples import SAMPLE_SCHEMA


def test_samples_are_read_back_as_recordings(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["p"], "problem": ["3 + 4?"], "answer": [7]}).write_parquet(tmp_path / "test.parquet")
    # Written in another order than drawn; the second sample gave no answer.
    rows = [("p", 1, "…", None, False, 9, 9, "length", 2), ("p", 0, "…", "7", True, 5, 5, "stop", 1)]
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row").write_parquet(tmp_path / "samples.parquet")
    write_votes({"m": tmp_path / "samples.parquet"}, tmp_path / "test.parquet", tmp_path / "votes.jsonl")
    samples = (RecordedSample(5, 7), RecordedSample(9, None))
    assert read_votes(tmp_path / "votes.jsonl") == [Recording("p", "m", 7, samples)]

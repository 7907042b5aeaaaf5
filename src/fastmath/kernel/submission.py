"""Columns of the table that a contest accepts as an answer or a submission."""

import polars as pl

SUBMISSION_SCHEMA = {"id": pl.String, "answer": pl.Int64}

"""The table that a contest takes."""

import polars as pl

SUBMISSION_SCHEMA = {"id": pl.String, "answer": pl.Int64}

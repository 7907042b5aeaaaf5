"""What became of a sample, as one word by which samples are told apart and chosen."""

from collections.abc import Mapping

import polars as pl

from fastmath.plots.plotly_style import CUT, RIGHT, WRONG

OUTCOMES = ("right", "wrong", "no answer", "cut")
"""Outcomes of a sample: its answer is right or wrong, it ended without one, or it reached the limit of tokens."""
OUTCOME_COLOURS: Mapping[str, str] = {
    "right": RIGHT,
    "wrong": WRONG,
    "no answer": CUT,
    "cut": CUT,
    "not judged": CUT,
}


def classify_samples() -> pl.Expr:
    """The outcome of each row of `fastmath.sampling.samples.SAMPLE_SCHEMA`, as a column `outcome`."""
    cut = pl.col("finish_reason").fill_null("stop") != "stop"
    wrong = pl.when(pl.col("answer").is_null()).then(pl.lit("no answer")).otherwise(pl.lit("wrong"))
    return (
        pl.when(cut).then(pl.lit("cut")).when(pl.col("correct")).then(pl.lit("right")).otherwise(wrong).alias("outcome")
    )

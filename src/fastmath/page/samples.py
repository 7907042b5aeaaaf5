"""Samples of the runs' models to be read: every outcome is among them, and long ones are shortened.

The same problems are preferred for every model, so that two models can be read side by side.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from fastmath.evaluation.metrics import KINDS
from fastmath.evaluation.report import read_asked, read_tables
from fastmath.page.excerpts import split_text
from fastmath.page.run_folders import Run
from fastmath.plots.outcomes import OUTCOMES, classify_samples
from fastmath.plots.traces import find_boxes

MOST_SAMPLES = 2400
"""Number of samples that a page holds."""
FEWEST_SAMPLES, MOST_OF_A_SET = 8, 60
"""Numbers of samples of one model and one set that a page holds at least, and at most."""
MOST_CHARACTERS = 4_000_000
"""Number of characters of all samples of a page."""
SHORTEST_TEXT, LONGEST_TEXT = 400, 20_000
"""Numbers of characters of a sample that are shown at least, and at most, if it has as many."""


@dataclass(frozen=True)
class SampleBrowser:
    """The samples of a page.

    Attributes:
        drawn: number of samples that the evaluations drew.
        shown: number of those that the page holds.
        shortened: number of those whose texts are shortened.
        rows: the samples as JSON objects.
        problems: the problems that they answer, as JSON objects by run and id.
        absent: names of the runs that have no samples.
    """

    drawn: int
    shown: int
    shortened: int
    rows: tuple[dict[str, Any], ...]
    problems: Mapping[str, dict[str, Any]]
    absent: tuple[str, ...]


def choose_samples(samples: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The samples of one model and one set to show, at most `limit`, in the order of `scatter`.

    The rarest outcomes are all shown, up to an even share for each outcome; what they leave goes to the others. Of an
    outcome every problem has one sample before any has two.

    Args:
        samples: table of `problem_id, sample, outcome` and whatever else.
        limit: largest number of samples.

    Example: of 100 right, 3 wrong and 50 cut samples 20 hold 3 wrong, 8 cut and 9 right ones.
    """
    ordered = samples.with_columns(
        _place=pl.col("problem_id").map_elements(scatter, return_dtype=pl.String),
        _turn=pl.col("sample").rank("ordinal").over("problem_id", "outcome"),
    ).sort("_turn", "_place")
    counts = dict(ordered["outcome"].value_counts(name="count").iter_rows())
    kept = []
    left = limit
    for position, outcome in enumerate(sorted(counts, key=lambda name: (counts[name], OUTCOMES.index(name)))):
        taken = min(counts[outcome], left // (len(counts) - position))
        kept.append(ordered.filter(pl.col("outcome") == outcome).head(taken))
        left -= taken
    return pl.concat(kept).sort("_place", "sample").drop("_place", "_turn")


def scatter(problem: str) -> str:
    """A place for each problem that is the same for every model, and does not follow the order of the file."""
    return hashlib.sha256(problem.encode()).hexdigest()[:12]


def browse_samples(runs: Sequence[Run]) -> SampleBrowser:
    """Choose the samples of a page from those that the evaluations of its runs drew."""
    groups = [group for run in runs if run.report is not None for group in _list_groups(run)]
    limit = max(FEWEST_SAMPLES, min(MOST_OF_A_SET, MOST_SAMPLES // max(1, len(groups))))
    chosen = [(group, choose_samples(group.samples, limit)) for group in groups]
    shown = sum(table.height for _, table in chosen)
    longest = max(SHORTEST_TEXT, min(LONGEST_TEXT, MOST_CHARACTERS // max(1, shown)))
    rows = [row for group, table in chosen for row in _write_rows(group, table, longest)]
    rows.sort(key=lambda row: scatter(row["problem"]))  # so that all models' samples of a problem follow each other
    return SampleBrowser(
        drawn=sum(group.samples.height for group in groups),
        shown=shown,
        shortened=sum(any(isinstance(part, int) for part in row["parts"]) for row in rows),
        rows=tuple(rows),
        problems={key: problem for group, table in chosen for key, problem in _write_problems(group, table)},
        absent=tuple(run.name for run in runs if run.report is None),
    )


@dataclass(frozen=True)
class _Group:
    """The samples of one model of one run to one set, with the outcome and the problem of each."""

    run: str
    model: str
    samples: pl.DataFrame


def _list_groups(run: Run) -> Iterator[_Group]:
    asked = read_asked(run.folder)
    problems = asked.select(
        pl.col("id").alias("problem_id"),
        pl.col("problem").alias("statement"),
        pl.col("answer").cast(pl.String).alias("gold"),
        *((pl.col(kind) if kind in asked.columns else pl.lit(None, pl.String).alias(kind)) for kind in KINDS),
    )
    for model, table in read_tables(run.folder).items():
        joined = table.with_columns(classify_samples()).join(
            problems, on="problem_id", how="left", maintain_order="left"
        )
        for (_,), group in joined.group_by("set", maintain_order=True):
            yield _Group(run.name, model, group)


def _write_rows(group: _Group, chosen: pl.DataFrame, longest: int) -> Iterator[dict[str, Any]]:
    for row in chosen.iter_rows(named=True):
        text = row["text"] or ""
        yield {
            "run": group.run,
            "model": group.model,
            "problem": row["problem_id"],
            "sample": row["sample"],
            "outcome": row["outcome"],
            "answer": row["answer"],
            "tokens": row["tokens"],
            "reasoning": row["reasoning_tokens"],
            "parts": split_text(text, longest, find_boxes(text)),
        }


def _write_problems(group: _Group, chosen: pl.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    wanted = chosen.select("problem_id", "statement", "gold", *KINDS).unique("problem_id")
    for row in wanted.iter_rows(named=True):
        yield f"{group.run}/{row.pop('problem_id')}", row

"""What became of every row of the sources of a run's data, and what was made of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fastmath.page.run_folders import Run

KEPT = "kept"
"""The outcome of the rows that are in the SFT set."""
MOST_EXAMPLES = 3
"""Number of rows that are shown of those that one rule has dropped."""
_SETS: Mapping[str, str] = {
    "sft.parquet": "problems with a trace, to fine-tune on",
    "grpo.parquet": "problems for GRPO",
    "validation.parquet": "problems by which checkpoints are chosen",
    "test.parquet": "problems that are held out",
    "calibration.parquet": "texts by which the quantisation is calibrated",
}


@dataclass(frozen=True)
class Outcome:
    """The rows of one source with the same outcome.

    Attributes:
        name: `kept`, or the rule that dropped them.
        rows: their number.
        share: the same as a share of the source's rows.
        examples: how the problems of some of them begin, each with what the rule found.
    """

    name: str
    rows: int
    share: float
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SourceFunnel:
    """The rows of one source.

    Attributes:
        name: the source.
        rows: number of its rows.
        outcomes: what became of them, the kept ones first and then the most frequent.
    """

    name: str
    rows: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class DataFunnel:
    """The data of one run.

    Attributes:
        run: name of the run.
        sources: its sources, in order.
        sets: what each set holds → number of its rows.
    """

    run: str
    sources: tuple[SourceFunnel, ...]
    sets: Mapping[str, int]


def read_funnel(run: Run) -> DataFunnel | None:
    """What became of the sources of a run; None before its data are built."""
    folder = run.folder / "build_data"
    if not (folder / "funnel.json").exists():
        return None
    rejects = pl.read_parquet(folder / "rejects.parquet") if (folder / "rejects.parquet").exists() else None
    sources = json.loads((folder / "funnel.json").read_text())
    return DataFunnel(
        run.name,
        tuple(_make_source(name, counts, rejects) for name, counts in sources.items()),
        {what: _count_rows(folder / file) for file, what in _SETS.items() if (folder / file).exists()},
    )


def _make_source(name: str, counts: Mapping[str, int], rejects: pl.DataFrame | None) -> SourceFunnel:
    rows = counts["rows"]
    # What the GRPO set leaves out is no outcome of a row: the same row may be in the SFT set.
    named = {
        outcome: count for outcome, count in counts.items() if outcome != "rows" and not outcome.startswith("GRPO")
    }
    order = sorted(named, key=lambda each: (each != KEPT, -named[each]))
    outcomes = [
        Outcome(outcome, named[outcome], named[outcome] / max(rows, 1), _find_examples(name, outcome, rejects))
        for outcome in order
    ]
    return SourceFunnel(name, rows, tuple(outcomes))


def _find_examples(source: str, reason: str, rejects: pl.DataFrame | None) -> tuple[tuple[str, str], ...]:
    if rejects is None:
        return ()
    chosen = rejects.filter((pl.col("source") == source) & (pl.col("reason") == reason)).head(MOST_EXAMPLES)
    return tuple(chosen.select(pl.col("excerpt").fill_null(""), pl.col("detail").fill_null("")).iter_rows())


def _count_rows(path: Path) -> int:
    return pl.scan_parquet(path).select(pl.len()).collect().item()

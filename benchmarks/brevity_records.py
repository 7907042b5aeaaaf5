"""What `brevity.py` keeps of its models: measures by problem, so that every interval can be computed again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import polars as pl
from brevity_figures import Measures

START = "start"
"""Name under which the SFT model of a seed is kept."""
_ARRAYS = tuple(each.name for each in fields(Measures) if each.name != "problems")
_SCHEMA = {"variant": pl.String, "seed": pl.Int64, "problem": pl.String} | dict.fromkeys(_ARRAYS, pl.Float32)


@dataclass(frozen=True)
class Record:
    """One model.

    Attributes:
        measures: what its samples show.
        training: how it was trained; empty for a start.
    """

    measures: Measures
    training: Mapping[str, Any] = field(default_factory=dict)


Records = dict[tuple[str, int], Record]
"""Models by variant and seed."""


def write_measures(path: Path, records: Records) -> None:
    """Write the measures of models as a table, a row a problem and model."""
    tables = [
        pl.DataFrame(
            {"variant": variant, "seed": seed, "problem": record.measures.problems}
            | {name: getattr(record.measures, name) for name in _ARRAYS},
            schema=_SCHEMA,
        )
        for (variant, seed), record in sorted(records.items())
    ]
    pl.concat(tables).write_parquet(path, compression="zstd")


def read_records(path: Path, result: Mapping[str, Any]) -> Records:
    """Read what `write_measures` has written.

    Args:
        path: the table.
        result: what `brevity.py` told of the same models, which says how they were trained.
    """
    return {
        (variant, seed): Record(measures, {} if variant == START else result["variants"][variant]["runs"][str(seed)])
        for variant, seed, measures in _read_measures(pl.read_parquet(path))
    }


def _read_measures(table: pl.DataFrame) -> Iterator[tuple[str, int, Measures]]:
    for (variant, seed), rows in table.group_by("variant", "seed", maintain_order=True):
        arrays = {name: rows[name].cast(pl.Float64).to_numpy() for name in _ARRAYS}
        yield variant, seed, Measures(problems=tuple(rows["problem"]), **arrays)

"""The problems of an evaluation: the run's held-out ones, or sets that the recipe names."""

from pathlib import Path

import polars as pl

from fastmath.data.held_out import HELD_OUT_SCHEMA, read_set
from fastmath.data.problem_files import name_problem_set
from fastmath.recipe.errors import SettingsError
from fastmath.runs.files import write_parquet
from fastmath.runs.stage import Stage

PROBLEMS = "problems.parquet"
"""File in the stage's folder with all problems that are sampled."""
SCHEMA = pl.Schema({"set": pl.String, **HELD_OUT_SCHEMA})
"""Columns of that file; `set` is null for a run's own held-out problems."""


def write_problems(stage: Stage) -> Path:
    """Write the problems that an evaluation asks, of `SCHEMA`, and return the path of the file.

    The ids of sets begin with the name of the set, since many sets count their problems from 0.

    Raises:
        fastmath.runs.stage.MissingStageError: the run's held-out problems are wanted and not there.
        fastmath.recipe.errors.SettingsError: a set cannot be read, holds no usable problem, or two have one name.
    """
    settings = stage.recipe.evaluate
    if settings.sets:
        names = [name_problem_set(name) for name in settings.sets]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SettingsError(f"`evaluate.sets` has two sets of the name {twice!r}; want a name of its own for each")
        read = [read_set("evaluate.sets", name, stage.root).problems for name in settings.sets]
        parts = [
            part.with_columns(set=pl.lit(name), id=pl.format("{}/{}", pl.lit(name), "id"))
            for name, part in zip(names, read, strict=True)
        ]
    else:
        held_out = pl.read_parquet(stage.product("build_data", "test.parquet"))
        parts = [held_out.with_columns(set=pl.lit(None, dtype=pl.String))]
    rows = [
        part.head(part.height if settings.problems is None else settings.problems).select(
            (pl.col(name) if name in part.columns else pl.lit(None).alias(name)).cast(kind)
            for name, kind in SCHEMA.items()
        )
        for part in parts
    ]
    path = stage.folder / PROBLEMS
    write_parquet(pl.concat(rows), path)
    return path

"""Working on the parts of the sources in several processes, and joining what they write."""

import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars

from fastmath.data.sources import Part
from fastmath.runs.progress import ProgressCounter


def gather(
    folder: Path,
    label: str,
    tasks: Sequence[tuple[Part, Callable[[], Path]]],
    schema: polars.Schema,
    workers: int | None,
) -> polars.DataFrame:
    """Run the tasks and join the tables that they write, in the order of the tasks; `folder` is the stage's."""
    rows = sum(part.rows for part, _ in tasks)
    counter = ProgressCounter(folder, "row", rows or None, label)
    files = list(_run(tasks, workers, counter))
    counter.close()
    return polars.concat([polars.DataFrame(schema=schema), *map(polars.read_parquet, files)])


def assign_rows(parts: Sequence[Part], wanted: dict[object, polars.Series]) -> Iterator[tuple[Part, list[int]]]:
    """Pair each part with its chosen rows and skip parts without any; the parts of a source must be consecutive."""
    for position, part in enumerate(parts):
        rows = wanted.get(part.source.name, polars.Series([], dtype=polars.Int64))
        after = parts[position + 1] if position + 1 < len(parts) else None
        start = 0 if part.shard is None else part.shard.first_row
        same = after is not None and after.source == part.source and after.shard is not None
        mine = rows.filter((rows >= start) & (rows < after.shard.first_row)) if same else rows.filter(rows >= start)
        if len(mine):
            yield part, mine.to_list()


def _run(
    tasks: Sequence[tuple[Part, Callable[[], Path]]], workers: int | None, counter: ProgressCounter
) -> Iterator[Path]:
    """Results of the tasks, in order, from at most `workers` processes (None: one per core); rows are counted."""
    processes = min(workers or len(os.sched_getaffinity(0)), len(tasks))
    if processes <= 1:
        for part, task in tasks:
            yield task()
            counter.add(part.rows)
        return
    # Spawned, not forked: a fork of a process with threads, such as a notebook's, may hang.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures = {pool.submit(task): part.rows for part, task in tasks}
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
                counter.add(futures[future])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        yield from (future.result() for future in futures)

"""Writing files so that a kill or a full disk leaves the earlier one whole."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars


@contextlib.contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file or a folder to; it takes the place of `path` when the block ends.

    Where the block raises, `path` stays as it was and what was written is removed.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        if aside.is_file():
            with aside.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, indented, that a reader never sees half of."""
    with write_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=2) + "\n")


def write_parquet(frame: polars.DataFrame, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a parquet file that a reader never sees half of; `metadata` are pairs of text that travel in it."""
    with write_aside(path) as aside:
        frame.write_parquet(aside, metadata=None if metadata is None else dict(metadata))

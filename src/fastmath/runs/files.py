"""Writing files atomically: after a kill or on a full disk, the earlier file is still there and whole."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars
import psutil


@contextlib.contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` for a file or a folder, which replaces `path` when the block ends.

    If the block raises, `path` stays as it was and the temporary file or folder is removed. What a killed process has
    left behind is removed by the next one that writes the same path.
    """
    for left in path.parent.glob(f".{path.name}.*"):
        pid = left.name.rpartition(".")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            _remove(left)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        if aside.is_file():
            with aside.open("rb") as file:
                os.fsync(file.fileno())
        elif aside.is_dir() and path.is_dir():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON atomically: a reader sees the earlier file or the new one, never a part of it."""
    with write_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=2) + "\n")


def write_parquet(frame: polars.DataFrame, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a parquet file atomically; `metadata` are pairs of text that are stored in it, None stores none."""
    with write_aside(path) as aside:
        frame.write_parquet(aside, metadata=None if metadata is None else dict(metadata))

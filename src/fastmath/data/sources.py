"""The sources of a recipe: their files, their parts, and their rows as `SourceRow`s or `Reject`s."""

import fnmatch
import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.data.readers import (
    CSV_SUFFIXES,
    Shard,
    find_first_shard,
    list_files,
    list_shards,
    read_columns,
    read_shard,
)
from fastmath.data.repair import repair_text
from fastmath.data.schemas import (
    FURTHER_COLUMNS,
    TEXT_KINDS,
    WANTED_COLUMNS,
    MalformedRowError,
    Reject,
    SourceRow,
    read_row,
)
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings, SourceSettings
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.pins import require_commit

logger = logging.getLogger(__name__)

KINDS: Mapping[str, tuple[str, ...]] = {
    "family": ("family", "subject", "problem_type"),
    "difficulty": ("difficulty", "level"),
}
"""What kind of problem a held-out one is, and the columns that say it: ours, MATH-500's, and those of MathArena."""


@dataclass(frozen=True)
class Part:
    """A part of a source that can be read on its own: a shard of its files, or the whole embedded source.

    Attributes:
        source: settings of the source.
        shard: shard of the source's files; None for the embedded source.
        nano: settings of the embedded source; None for all others.
        seed: seed with which the embedded source makes its problems.
    """

    source: SourceSettings
    shard: Shard | None
    nano: NanoDataSettings | None = None
    seed: int = 0

    @property
    def rows(self) -> int:
        """Number of rows; 0 where it is unknown until the part is read."""
        return self.nano.train_problems if self.nano is not None else self.shard.rows


def list_parts(source: SourceSettings, nano: NanoDataSettings, seed: int, root: Path) -> list[Part]:
    """Parts of a source, in the order of their rows; a relative path of the source starts at `root`.

    Raises:
        SettingsError: the source is missing or empty, or its columns do not fit its kind.
    """
    if source.kind == "nano":
        return [Part(source, None, nano, seed)]
    files = _find_files(source, root)
    _require_no_csv_lists(source, files)
    shards = list_shards(files)
    if not shards:
        raise SettingsError(f"source {source.name!r}: {source.path} has no rows")
    _check_columns(source, read_columns(shards[0]))
    return [Part(source, shard) for shard in shards]


def check_local_source(source: SourceSettings, root: Path) -> None:
    """Check the form and the columns of a source on this machine, by the beginning of its first file.

    A JSON array is not looked into, as it has to be read whole.

    Raises:
        SettingsError: the source is empty, or its columns do not fit its kind.
    """
    files = _find_files(source, root)
    _require_no_csv_lists(source, files)
    first = find_first_shard(files)
    if first is None or first.form != "array":
        _check_columns(source, [] if first is None else read_columns(first))


def _require_no_csv_lists(source: SourceSettings, files: Sequence[Path]) -> None:
    """Refuse CSV for a kind whose rows hold lists, of traces or of turns."""
    table = next((file for file in files if file.name.endswith(CSV_SUFFIXES)), None)
    if table is not None and source.kind not in TEXT_KINDS:
        raise SettingsError(
            f"source {source.name!r}: {table} is a CSV, and rows of kind {source.kind!r} hold lists, which a CSV "
            f"cannot; want kind {' or '.join(TEXT_KINDS)}, or JSONL or parquet"
        )


def read_part(part: Part) -> Iterator[SourceRow | Reject]:
    """Yield every row of a part, as a `SourceRow`, or as a `Reject` where it is malformed."""
    source = part.source
    for index, record in _read_records(part):
        if isinstance(record, str):
            yield Reject(source.name, index, record, "", "")
            continue
        record = {**record, **{ours: record.get(theirs) for ours, theirs in source.columns.items()}}
        try:
            yield read_row(source.kind, source.name, index, record)
        except MalformedRowError as error:
            excerpt = json.dumps(record, default=str)[:200]
            yield Reject(source.name, index, f"malformed: {error}", "", excerpt)


def read_problems(path: Path, wanted: Sequence[str] = ("problem", "answer")) -> Iterator[dict[str, str]]:
    """Yield `id, problem, answer` of held-out problems from a CSV, JSON, JSONL or parquet file, all as text.

    A row whose file says it also has a `family` (or `subject`, `problem_type`) and a `difficulty` (or `level`).

    LaTeX commands that lost their backslash to an escape are repaired, and their number is logged.

    Args:
        path: file of problems. A row without an id gets its number, and one without a value an empty text.
        wanted: columns that every row must have.

    Raises:
        SettingsError: the file is missing, is no UTF-8, lacks a column, or a row of it is broken.
    """
    if not path.is_file():
        raise SettingsError(f"{path} names held-out problems, and there is no such file")
    repaired, broken = 0, 0
    for index, row in itertools.chain.from_iterable(map(read_shard, list_shards([path]))):
        if isinstance(row, str):
            hint = f"; `iconv -f latin1 -t utf-8 {path.name}` may mend it" if "UTF-8" in row else ""
            raise SettingsError(f"{path}, row {index}: {row}{hint}")
        missing = set(wanted) - row.keys()
        if missing:
            raise SettingsError(
                f"{path}, row {index}: no {', '.join(sorted(missing))}; found {', '.join(row)}; want columns of these "
                "names: rename those of the file (a training source may map them instead, `data.sources`' `columns`)"
            )
        problem, answer = repair_text(_to_text(row["problem"])), repair_text(_to_text(row.get("answer")))
        repaired, broken = repaired + problem.repaired + answer.repaired, broken + problem.broken + answer.broken
        identifier = _to_text(row.get("id")) or str(index)
        kind = {name: text for name, columns in KINDS.items() if (text := _first_text(row, columns))}
        yield {"id": identifier, "problem": problem.text.strip(), "answer": answer.text.strip()} | kind
    if repaired or broken:
        logger.warning("%s: %d commands repaired, %d control characters unexplained", path.name, repaired, broken)


def _first_text(row: Mapping[str, object], columns: Sequence[str]) -> str:
    return next((text for name in columns if (text := _to_text(row.get(name)))), "")


def _to_text(value: object) -> str:
    return "" if value is None else str(value)


def _read_records(part: Part) -> Iterable[tuple[int, dict[str, Any] | str]]:
    if part.nano is not None:
        return enumerate(generate_rows("train", part.nano, part.nano.train_problems, part.seed))
    wanted = (*WANTED_COLUMNS[part.source.kind], *FURTHER_COLUMNS)
    return read_shard(part.shard, [part.source.columns.get(name, name) for name in wanted])


def _find_files(source: SourceSettings, root: Path) -> Sequence[Path]:
    local = root / str(source.path)
    folder = local if local.exists() else _download(source)
    files = list_files(folder)
    if source.file is None or folder.is_file():
        return files
    chosen = [file for file in files if fnmatch.fnmatch(str(file.relative_to(folder)), source.file)]
    if not chosen:
        names = ", ".join(str(file.relative_to(folder)) for file in files[:20])
        raise SettingsError(f"source {source.name!r}: no file fits `file: {source.file}`; found {names}")
    return chosen


def _download(source: SourceSettings) -> Path:
    from huggingface_hub import snapshot_download  # slow to import, and only Hub datasets need it

    commit = require_commit(f"source {source.name!r}, `revision`", str(source.path), source.revision)
    # Files rather than a loaded data set: they are cut into shards like local ones, and a broken download resumes.
    patterns = [source.file] if source.file else ["*.parquet", "*.jsonl", "*.json", "*.jsonl.gz", "*.json.gz"]
    folder = snapshot_download(str(source.path), repo_type="dataset", revision=commit, allow_patterns=patterns)
    return Path(folder)


def _check_columns(source: SourceSettings, found: Sequence[str]) -> None:
    if not found:
        raise SettingsError(f"source {source.name!r}: {source.path} has no rows")
    missing = [name for name in WANTED_COLUMNS[source.kind] if source.columns.get(name, name) not in found]
    if missing:
        mapping = ", ".join(f"{name}: <their name>" for name in missing)
        raise SettingsError(
            f"source {source.name!r} of kind {source.kind!r} lacks {', '.join(missing)}; its columns are "
            f"{', '.join(found)}. Map them: columns: {{{mapping}}}"
        )

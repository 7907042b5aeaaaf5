"""Reading the sources of a recipe: rows of every schema become `SourceRow`s, or `Reject`s where they do not fit."""

import csv
import fnmatch
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.answers.extract import extract_answer
from fastmath.answers.integers import canonical_answer
from fastmath.data.readers import RawRow, Shard, list_files, list_shards, read_columns, read_shard
from fastmath.data.repair import repair_text
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings, SourceSettings
from fastmath.recipe.errors import SettingsError

logger = logging.getLogger(__name__)

INSTRUCTION = "Please reason step by step"
"""Beginning of the instruction that Light-R1 appends to its problems; it is removed, as our template adds its own."""

WANTED_COLUMNS = {
    "nano": ("problem", "answer", "generations"),
    "openr1": ("problem", "answer", "generations"),
    "light_r1": ("conversations",),
    "published": ("problem", "generation", "answer"),
    "problems": ("problem", "answer"),
}
"""Columns that a source must have, by its kind."""

_FURTHER_COLUMNS = (
    *("uuid", "correctness_math_verify", "correctness_llama", "is_reasoning_complete", "finish_reasons"),
)
"""Columns that are read where a source has them."""


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


@dataclass(frozen=True)
class SourceRow:
    """One problem with its generations.

    Attributes:
        source: name of the source.
        index: number of the row in its source, from 0.
        uuid: identifier of the row that the source itself gives; None where it gives none.
        problem: text of the problem.
        answer: gold answer as text, an integer without leading zeros or decimals; for Light-R1 the answer at the end of
            the trace.
        generations: traces, the solutions with their reasoning.
        correct: whether each generation is correct; None where the source does not say.
        complete: whether each generation ended by itself, and was not cut off.
    """

    source: str
    index: int
    uuid: str | None
    problem: str
    answer: str
    generations: tuple[str, ...]
    correct: tuple[bool | None, ...]
    complete: tuple[bool, ...]


@dataclass(frozen=True)
class Reject:
    """A row that was left out.

    Attributes:
        source: name of the source.
        index: number of the row in its source, from 0.
        reason: rule that dropped the row.
        detail: what the rule found.
        excerpt: beginning of the row, as JSON; empty where the row could not be read.
    """

    source: str
    index: int
    reason: str
    detail: str
    excerpt: str


class _MalformedRowError(ValueError):
    """A row does not fit its schema; the message becomes the reason of its reject."""


def list_parts(source: SourceSettings, nano: NanoDataSettings, seed: int, root: Path) -> list[Part]:
    """Parts of a source, in the order of their rows; a relative path of the source starts at `root`.

    Raises:
        SettingsError: the source is missing or empty, or its columns do not fit its kind.
    """
    if source.kind == "nano":
        return [Part(source, None, nano, seed)]
    shards = list_shards(_find_files(source, root))
    if not shards:
        raise SettingsError(f"source {source.name!r}: {source.path} has no rows")
    _check_columns(source, read_columns(shards[0]))
    return [Part(source, shard) for shard in shards]


def read_part(part: Part) -> Iterator[SourceRow | Reject]:
    """Yield every row of a part, as a `SourceRow`, or as a `Reject` where it is malformed."""
    source = part.source
    for index, record in _read_records(part):
        if isinstance(record, str):
            yield Reject(source.name, index, record, "", "")
            continue
        record = {**record, **{ours: record.get(theirs) for ours, theirs in source.columns.items()}}
        try:
            yield _READERS[source.kind](source.name, index, record)
        except _MalformedRowError as error:
            excerpt = json.dumps(record, default=str)[:200]
            yield Reject(source.name, index, f"malformed: {error}", "", excerpt)


def read_problems(path: Path, wanted: Sequence[str] = ("problem", "answer")) -> Iterator[dict[str, str]]:
    """Yield `id, problem, answer` of held-out problems from a CSV, JSON or JSONL file, all as text.

    LaTeX commands that lost their backslash to an escape are repaired, and their number is logged.

    Args:
        path: file of problems; a row without `id` gets its row number, and a missing answer is an empty text.
        wanted: columns that every row must have.

    Raises:
        SettingsError: the file is missing, lacks a column, or a row of it is broken.
    """
    if not path.is_file():
        raise SettingsError(f"{path} names held-out problems, and there is no such file")
    repaired, broken = 0, 0
    for index, row in _read_rows(path):
        if isinstance(row, str):
            raise SettingsError(f"{path}, row {index}: {row}")
        missing = set(wanted) - row.keys()
        if missing:
            raise SettingsError(f"{path}, row {index}: no {', '.join(sorted(missing))}; found {', '.join(row)}")
        repair = repair_text(row["problem"])
        repaired, broken = repaired + repair.repaired, broken + repair.broken
        yield {"id": str(row.get("id", index)), "problem": repair.text, "answer": str(row.get("answer", ""))}
    if repaired or broken:
        logger.warning("%s: %d commands repaired, %d control characters unexplained", path.name, repaired, broken)


def _read_rows(path: Path) -> Iterator[tuple[int, RawRow]]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            yield from enumerate(csv.DictReader(file))
    else:
        for shard in list_shards([path]):
            yield from read_shard(shard)


def _read_records(part: Part) -> Iterable[tuple[int, dict[str, Any] | str]]:
    if part.nano is not None:
        return enumerate(generate_rows("train", part.nano, part.nano.train_problems, part.seed))
    wanted = (*WANTED_COLUMNS[part.source.kind], *_FURTHER_COLUMNS)
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

    if source.revision is None:
        raise SettingsError(
            f"source {source.name!r}: {source.path!r} is no local file, and a Hub dataset needs `revision` (a commit)"
        )
    # Files rather than a loaded data set: they are cut into shards like local ones, and a broken download resumes.
    patterns = [source.file] if source.file else ["*.parquet", "*.jsonl", "*.json", "*.jsonl.gz", "*.json.gz"]
    folder = snapshot_download(str(source.path), repo_type="dataset", revision=source.revision, allow_patterns=patterns)
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


def _read_openr1(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    generations = record.get("generations")
    if not isinstance(generations, list) or not all(isinstance(text, str) for text in generations) or not generations:
        raise _MalformedRowError("no generations")
    flags = _read_flags(record, "correctness_math_verify") or _read_flags(record, "correctness_llama")
    flags = flags or [None] * len(generations)
    complete = _read_flags(record, "is_reasoning_complete") or ["</think>" in text for text in generations]
    if len(flags) != len(generations) or len(complete) != len(generations):
        raise _MalformedRowError("flags and generations differ in number")
    return SourceRow(
        source=name,
        index=index,
        uuid=str(record["uuid"]) if record.get("uuid") is not None else None,
        problem=_require_text(record, "problem"),
        answer=_read_answer(record),
        generations=tuple(generations),
        correct=tuple(flags),
        complete=tuple(flag is True for flag in complete),
    )


def _read_flags(record: dict[str, Any], key: str) -> list[bool | None] | None:
    flags = record.get(key)
    if flags is None:
        return None
    if not isinstance(flags, list) or not all(flag is None or isinstance(flag, bool) for flag in flags):
        raise _MalformedRowError(f"{key!r} is no list of true, false and null")
    return flags


def _read_light_r1(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    turns = record.get("conversations")
    if not isinstance(turns, list) or [turn.get("from") for turn in turns if isinstance(turn, dict)] != [
        "user",
        "assistant",
    ]:
        raise _MalformedRowError("conversation is not one user and one assistant turn")
    trace = _require_text(turns[1], "value")
    answer = extract_answer(trace, where="anywhere")
    if answer is None:
        raise _MalformedRowError("no answer in the trace")
    problem = _require_text(turns[0], "value").partition(INSTRUCTION)[0].strip()
    # The answer was extracted from the trace, so the trace is correct by definition.
    return SourceRow(name, index, None, problem, canonical_answer(answer), (trace,), (True,), (True,))


def _read_published(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    generation = _require_text(record, "generation")
    return SourceRow(
        name, index, None, _require_text(record, "problem"), _read_answer(record), (generation,), (True,), (True,)
    )


def _read_problem(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    return SourceRow(name, index, None, _require_text(record, "problem"), _read_answer(record), (), (), ())


def _read_answer(record: dict[str, Any]) -> str:
    answer = record.get("answer")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return canonical_answer(str(answer))
    return canonical_answer(_require_text(record, "answer"))


def _require_text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _MalformedRowError(f"no text in {key!r}")
    return value.strip()


_READERS = {
    "nano": _read_openr1,
    "openr1": _read_openr1,
    "light_r1": _read_light_r1,
    "published": _read_published,
    "problems": _read_problem,
}

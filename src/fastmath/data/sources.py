"""Reading problem sources into one row type; a row that does not fit its schema becomes a reject with a reason."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from fastmath.answers.extract import extract_answer
from fastmath.config import NanoDataSettings, SourceSettings
from fastmath.data.nano import NanoSettings, generate_rows
from fastmath.recipes import REPOSITORY_FOLDER, SettingsError

INSTRUCTION = "Please reason step by step"
"""How the instruction begins that Light-R1 appends to its problems; our own template adds one of its own."""

WANTED_COLUMNS = {
    "nano": ("problem", "answer", "generations"),
    "openr1": ("problem", "answer", "generations"),
    "light_r1": ("conversations",),
    "published": ("problem", "generation", "answer"),
}


@dataclass(frozen=True)
class SourceRow:
    """One problem with its generations.

    Attributes:
        answer: the gold answer as text; for Light-R1 the one its trace ends with.
        correct: one flag a generation; None where nobody has judged it yet.
        complete: whether each generation ended by itself.
    """

    source: str
    index: int
    problem: str
    answer: str
    generations: tuple[str, ...]
    correct: tuple[bool | None, ...]
    complete: tuple[bool, ...]


@dataclass(frozen=True)
class Reject:
    """A row, or a problem, that was left out: where it stood, the rule that dropped it, and how it begins."""

    source: str
    index: int
    reason: str
    excerpt: str


class _MalformedRowError(ValueError):
    """A row does not fit its schema; the message is the reason code."""


def read_source(source: SourceSettings, nano: NanoDataSettings, seed: int) -> Iterator[SourceRow | Reject]:
    """Yield every row of a source, as a `SourceRow` or as a `Reject` with the reason.

    Raises:
        SettingsError: the file is missing or its columns do not fit the source's kind.
    """
    for index, record in enumerate(_read_records(source, nano, seed)):
        if isinstance(record, Reject):
            yield record
            continue
        try:
            yield _READERS[source.kind](source.name, index, record)
        except _MalformedRowError as error:
            yield Reject(source.name, index, f"malformed: {error}", json.dumps(record, default=str)[:200])


def read_test_problems(path: Path) -> Iterator[dict[str, str]]:
    """Yield `id, problem, answer` of held-out problems from a JSONL file or a CSV, all as text.

    Raises:
        SettingsError: the file is missing or lacks a column.
    """
    if not path.is_file():
        raise SettingsError(f"`data.test_path` is {path}, and there is no such file")
    with path.open(newline="") as file:
        rows: Iterable[dict[str, Any]] = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        for index, row in enumerate(rows):
            missing = {"problem", "answer"} - row.keys()
            if missing:
                raise SettingsError(f"{path}, row {index}: no {', '.join(sorted(missing))}; found {', '.join(row)}")
            yield {"id": str(row.get("id", index)), "problem": row["problem"], "answer": str(row["answer"])}


def resolve_path(path: str) -> Path:
    """A path of a recipe: as it is if absolute, else below the checkout."""
    return Path(path) if Path(path).is_absolute() else REPOSITORY_FOLDER / path


def _read_records(source: SourceSettings, nano: NanoDataSettings, seed: int) -> Iterator[dict[str, Any] | Reject]:
    if source.kind == "nano":
        yield from generate_rows("train", nano_settings(nano, nano.train_problems, seed))
        return
    records = _read_local(source) if resolve_path(str(source.path)).exists() else _read_hub(source)
    for index, record in enumerate(records):
        if isinstance(record, dict):
            record = {**record, **{ours: record.get(theirs) for ours, theirs in source.columns.items()}}
            if index == 0:
                _check_columns(source, record)
        yield record


def nano_settings(nano: NanoDataSettings, problems: int, seed: int) -> NanoSettings:
    """The generator's settings for one split of the nano source."""
    shared = nano.model_dump(exclude={"train_problems", "test_problems"})
    return NanoSettings(problems=problems, seed=seed, **shared)


def _read_local(source: SourceSettings) -> Iterator[dict[str, Any] | Reject]:
    path = resolve_path(str(source.path))
    if path.suffix == ".parquet":
        yield from datasets.Dataset.from_parquet(str(path))
    elif path.suffix == ".json":
        yield from json.loads(path.read_text())
    else:
        with path.open() as lines:
            for index, line in enumerate(lines):
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    yield Reject(source.name, index, "malformed: no JSON", line[:200])


def _read_hub(source: SourceSettings) -> Iterator[dict[str, Any]]:
    if source.revision is None:
        raise SettingsError(
            f"source {source.name!r}: {source.path!r} is no local file, and a Hub dataset needs `revision` (a commit)"
        )
    yield from datasets.load_dataset(
        source.path, revision=source.revision, data_files=source.file, split="train", streaming=True
    )


def _check_columns(source: SourceSettings, record: dict[str, Any]) -> None:
    missing = [name for name in WANTED_COLUMNS[source.kind] if name not in record]
    if missing:
        mapping = ", ".join(f"{name}: <their name>" for name in missing)
        raise SettingsError(
            f"source {source.name!r} of kind {source.kind!r} lacks {', '.join(missing)}; its columns are "
            f"{', '.join(record)}. Map them: columns: {{{mapping}}}"
        )


def _read_openr1(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    generations = record.get("generations")
    if not isinstance(generations, list) or not all(isinstance(text, str) for text in generations) or not generations:
        raise _MalformedRowError("no generations")
    flags = record.get("correctness_math_verify") or record.get("correctness_llama") or [None] * len(generations)
    complete = record.get("is_reasoning_complete") or ["</think>" in text for text in generations]
    if len(flags) != len(generations) or len(complete) != len(generations):
        raise _MalformedRowError("flags and generations differ in number")
    return SourceRow(
        source=name,
        index=index,
        problem=_require_text(record, "problem"),
        answer=_require_text(record, "answer"),
        generations=tuple(generations),
        correct=tuple(flags),
        complete=tuple(complete),
    )


def _read_light_r1(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    turns = record.get("conversations")
    if not isinstance(turns, list) or [turn.get("from") for turn in turns] != ["user", "assistant"]:
        raise _MalformedRowError("conversation is not one user and one assistant turn")
    trace = _require_text(turns[1], "value")
    answer = extract_answer(trace, where="anywhere")
    if answer is None:
        raise _MalformedRowError("no answer in the trace")
    problem = _require_text(turns[0], "value").partition(INSTRUCTION)[0].strip()
    # The answer is the trace's own, so the trace is correct by definition.
    return SourceRow(name, index, problem, answer, (trace,), (True,), (True,))


def _read_published(name: str, index: int, record: dict[str, Any]) -> SourceRow:
    generation = _require_text(record, "generation")
    problem, answer = _require_text(record, "problem"), _require_text(record, "answer")
    return SourceRow(name, index, problem, answer, (generation,), (True,), (True,))


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
}

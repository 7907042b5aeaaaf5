"""Rows of JSONL with their place, so that an error says which line is not as it must be."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.runs.files import write_aside


class FormatError(SettingsError):
    """A file of samples is not in its format; the message names the file, and the line where there is one."""


@dataclass(frozen=True)
class Row:
    """One object of a JSONL file.

    Attributes:
        path: the file.
        index: number of the row among the file's rows, from 0.
        line: number of its line, from 1.
        fields: the object.
    """

    path: Path
    index: int
    line: int
    fields: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.line}"

    def error(self, found: str, want: str) -> FormatError:
        """The error of this row: what was found, and what is wanted."""
        return FormatError(f"{self.place}: {found}; want {want}")

    def require(self, *names: str) -> None:
        """Refuse a row that lacks one of the fields `names`."""
        missing = [name for name in names if name not in self.fields]
        if missing:
            raise self.error(f"no {', '.join(missing)} among {', '.join(self.fields)}", ", ".join(names))

    def text(self, name: str) -> str | None:
        """A field of text; a number is written out, and None stands for null, for an empty text and for no field."""
        value = self.fields.get(name)
        if isinstance(value, bool | list | dict):
            raise self.error(f"{name!r} is {_show(value)}", "text, a number or null")
        return None if value is None or value == "" else str(value)

    def count(self, name: str) -> int | None:
        """A field that counts; None stands for null and for no field."""
        return self.read_count(name, self.fields.get(name))

    def read_count(self, name: str, value: Any) -> int | None:
        """`value`, found under `name`, as a whole number from 0, also where it is written as `12.0`; None for null."""
        if value is None:
            return None
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value == value // 1
        if not whole:
            raise self.error(f"{name!r} is {_show(value)}", "a whole number from 0, or null")
        return int(value)

    def flag(self, name: str) -> bool | None:
        """A field that is true or false, or 1 or 0; None stands for null and for no field."""
        return self.read_flag(name, self.fields.get(name))

    def read_flag(self, name: str, value: Any) -> bool | None:
        """`value`, found under `name`, as true or false; None for null."""
        if value not in (None, False, True):
            raise self.error(f"{name!r} is {_show(value)}", "true or false")
        return None if value is None else bool(value)

    def items(self, name: str, length: int | None = None) -> list[Any] | None:
        """A field that is a list, of `length` items where it is given; None stands for null and for no field."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, list):
            raise self.error(f"{name!r} is {_show(value)}", "a list")
        if value is not None and length is not None and len(value) != length:
            raise self.error(f"{name!r} has {len(value)} items", f"{length}, one a sample")
        return value


def read_rows(path: Path) -> list[Row]:
    """Read the objects of a JSONL file; empty lines are skipped.

    Raises:
        FormatError: the file cannot be read or is empty, or a line of it is no JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(Row(path, len(rows), number, _parse(line, f"{path}, line {number}")))
    if not rows:
        raise FormatError(f"{path} is empty; want one JSON object a line")
    return rows


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSONL atomically, one object a line."""
    with write_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _parse(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{place}: no valid JSON ({error.msg}); want one JSON object") from error
    if not isinstance(row, dict):
        raise FormatError(f"{place}: a {type(row).__name__}; want one JSON object")
    return row


def _show(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

"""Reading raw rows from local files of any usual format, in shards that processes can read independently."""

import gzip
import json
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import polars
import pyarrow
import pyarrow.parquet

from fastmath.recipe.errors import SettingsError

SHARD_BYTES = 32 * 2**20
"""Size of a shard of JSON lines, in bytes."""
_BATCH_ROWS = 32
CSV_SUFFIXES = (".csv", ".csv.gz")
_SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz", ".ndjson", *CSV_SUFFIXES)

RawRow = dict[str, Any] | str
"""A row as it stands in the file, or the reason why it could not be read."""


@dataclass(frozen=True)
class Shard:
    """A part of one file.

    Attributes:
        path: the file.
        form: `parquet` (one row group), `lines` (one JSON object per line), `array` (one JSON array) or `csv`, whose
            values are all text, null where a cell is empty.
        first_row: number of the shard's first row within the source, from 0.
        rows: number of rows; 0 for compressed lines, arrays and CSV, where it is unknown until the shard is read.
        start: first byte of the shard in the file; for parquet the index of its row group.
        end: byte of the file at which the shard ends, exclusive; for parquet the index of the next row group.
    """

    path: Path
    form: Literal["parquet", "lines", "array", "csv"]
    first_row: int
    rows: int
    start: int
    end: int


def list_files(path: Path) -> list[Path]:
    """The file itself, or all files with known suffixes in a folder and its subfolders, sorted by path.

    Raises:
        SettingsError: there is no such file.
    """
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.name.endswith(_SUFFIXES) and file.is_file())
    if not files:
        raise SettingsError(f"{path} holds no file that ends in {', '.join(_SUFFIXES)}")
    return files


def find_first_shard(files: Sequence[Path]) -> Shard | None:
    """The first shard of files, without looking at the rest of them; None where they hold no row.

    Raises:
        SettingsError: the parquet file is broken.
    """
    return next((shard for file in files for shard in _cut_file(file, 0, SHARD_BYTES)), None)


def list_shards(files: Sequence[Path], shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Cut files into shards, in the order of their rows.

    Args:
        files: files of one source, in order.
        shard_bytes: size at which a file of JSON lines is cut, in bytes, rounded up to the next end of a line. A
            parquet file is cut into its row groups; compressed files, JSON arrays and CSV are not cut.

    Raises:
        SettingsError: a parquet file, a JSON array or a CSV is broken.
    """
    shards: list[Shard] = []
    first_row = 0
    for file in files:
        for shard in _cut_file(file, first_row, shard_bytes):
            shards.append(shard)
            first_row += shard.rows if shard.rows else _count_rows(shard)
    return shards


def read_shard(shard: Shard, columns: Sequence[str] | None = None) -> Iterator[tuple[int, RawRow]]:
    """Yield (row number, row) for each row of a shard; a row that is not a JSON object is replaced by the reason.

    Args:
        shard: shard to read.
        columns: columns to read from parquet, as far as the file has them; None reads all. Other formats give all.

    Raises:
        SettingsError: the parquet file, the JSON array or the CSV is broken.
    """
    match shard.form:
        case "parquet":
            rows = _read_row_group(shard, columns)
        case "lines":
            rows = _read_lines(shard)
        case "array":
            rows = iter(_load_array(shard.path))
        case "csv":
            rows = _load_csv(shard.path).iter_rows(named=True)
    for offset, row in enumerate(rows):
        yield shard.first_row + offset, row if isinstance(row, dict | str) else "malformed: no JSON object"


def read_columns(shard: Shard) -> list[str]:
    """Names of the columns, from the parquet schema or from the first row that is a JSON object."""
    if shard.form == "parquet":
        return pyarrow.parquet.read_schema(shard.path).names
    if shard.form == "csv":
        return _load_csv(shard.path).columns
    return next((list(row) for _, row in read_shard(shard) if isinstance(row, dict)), [])


def _cut_file(file: Path, first_row: int, shard_bytes: int) -> Iterator[Shard]:
    if file.suffix == ".parquet":
        try:
            metadata = pyarrow.parquet.ParquetFile(file).metadata
        except pyarrow.ArrowInvalid as error:
            raise SettingsError(f"{file} is no whole parquet file: {error}") from error
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            yield Shard(file, "parquet", first_row, rows, group, group + 1)
            first_row += rows
    elif file.name.endswith(CSV_SUFFIXES):
        yield Shard(file, "csv", first_row, 0, 0, file.stat().st_size)
    elif _is_array(file):
        yield Shard(file, "array", first_row, 0, 0, file.stat().st_size)
    elif file.suffix == ".gz":
        yield Shard(file, "lines", first_row, 0, 0, file.stat().st_size)
    elif file.stat().st_size:
        yield from _cut_lines(file, first_row, shard_bytes)


def _cut_lines(file: Path, first_row: int, shard_bytes: int) -> Iterator[Shard]:
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = 0
        while start < len(data):
            newline = data.find(b"\n", min(start + shard_bytes, len(data)))
            end = len(data) if newline < 0 else newline + 1
            piece = data[start:end]
            rows = piece.count(b"\n") + (not piece.endswith(b"\n"))
            yield Shard(file, "lines", first_row, rows, start, end)
            first_row, start = first_row + rows, end


def _count_rows(shard: Shard) -> int:
    return sum(1 for _ in read_shard(shard))


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _is_array(file: Path) -> bool:
    with _open(file) as stream:
        return stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _load_array(path: Path) -> list[Any]:
    with _open(path) as stream:
        text = stream.read().decode("utf-8-sig")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{path} is a JSON array that breaks at line {error.lineno}, column {error.colno} ({error.msg}); fetch the "
            "file again, or turn it into one object a line, of which a broken one is put aside alone"
        ) from error


def _load_csv(path: Path) -> polars.DataFrame:
    with _open(path) as stream:
        content = stream.read()
    try:
        return polars.read_csv(content, infer_schema=False)
    except polars.exceptions.PolarsError as error:
        hint = f"; `iconv -f latin1 -t utf-8 {path.name}` may mend it" if "utf-8" in str(error).lower() else ""
        raise SettingsError(f"{path} is no CSV of text in UTF-8: {str(error).splitlines()[0]}{hint}") from error


def _read_lines(shard: Shard) -> Iterator[Any]:
    with _open(shard.path) as stream:
        stream.seek(shard.start)
        compressed = shard.path.suffix == ".gz"
        while compressed or stream.tell() < shard.end:
            line = stream.readline()
            if not line:
                return
            yield _parse_line(line)


def _parse_line(line: bytes) -> Any:
    if not line.strip():
        return "malformed: empty line"
    try:
        return json.loads(line)
    except UnicodeDecodeError:
        return "malformed: no UTF-8"
    except json.JSONDecodeError:
        return "malformed: no JSON"


def _read_row_group(shard: Shard, columns: Sequence[str] | None) -> Iterator[Any]:
    try:
        with pyarrow.parquet.ParquetFile(shard.path) as file:
            present = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
            # Batches are small because one row may hold megabytes of generations.
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[shard.start], columns=present, use_threads=False):
                yield from batch.to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise SettingsError(f"{shard.path}, row group {shard.start}, is broken: {error}") from error

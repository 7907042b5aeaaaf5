"""Raw rows from files of every form, whole and in shards."""

import gzip
import json

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.data.readers import list_files, list_shards, read_columns, read_shard
from fastmath.recipe.errors import SettingsError

ROWS = [{"problem": f"p{index}", "answer": str(index)} for index in range(25)]


def read(path, **settings):
    return [item for shard in list_shards(list_files(path), **settings) for item in read_shard(shard)]


def write_as(folder, form):
    path = folder / f"rows.{form}"
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    match form:
        case "jsonl":
            path.write_text(lines)
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines.encode()))
        case "json":
            path.write_text(json.dumps(ROWS))
        case "json.gz":
            path.write_bytes(gzip.compress(json.dumps(ROWS).encode()))
        case "csv":
            polars.DataFrame(ROWS).write_csv(path, include_bom=True)
        case "csv.gz":
            path.write_bytes(gzip.compress(polars.DataFrame(ROWS).write_csv().encode()))
        case "parquet":
            polars.DataFrame(ROWS).write_parquet(path, row_group_size=7)
    return path


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "json", "json.gz", "csv", "csv.gz", "parquet"])
def test_every_form_gives_the_same_numbered_rows(tmp_path, form):
    assert read(write_as(tmp_path, form)) == list(enumerate(ROWS))


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "json", "csv", "parquet"])
def test_columns_are_known_before_rows_are_read(tmp_path, form):
    assert read_columns(list_shards([write_as(tmp_path, form)])[0]) == ["problem", "answer"]


def test_the_rows_of_a_folder_are_numbered_through(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_as(tmp_path / name, "jsonl")
    assert [number for number, _ in read(tmp_path)] == list(range(50))


@given(st.integers(1, 400))
def test_shards_of_any_size_make_up_the_file(tmp_path_factory, size):
    path = write_as(tmp_path_factory.mktemp("rows"), "jsonl")
    assert read(path, shard_bytes=size) == list(enumerate(ROWS))


def test_lines_may_end_in_either_way_and_the_last_one_not_at_all(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\r\n{"a": 2}\n{"a": 3}')
    assert read(path) == [(0, {"a": 1}), (1, {"a": 2}), (2, {"a": 3})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": "trunc', "malformed: no JSON"),
        (b"\xff\xfe{}", "malformed: no UTF-8"),
        (b"", "malformed: empty line"),
        (b"7", "malformed: no JSON object"),
    ],
)
def test_a_broken_line_is_a_reason_and_the_others_are_read(tmp_path, line, reason):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    assert read(path) == [(0, {"a": 1}), (1, reason), (2, {"a": 2})]


def test_an_array_that_breaks_off_is_refused_with_its_place(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1},\n{"a": 2')
    with pytest.raises(SettingsError, match=r"rows\.json is a JSON array that breaks at line 2, column"):
        read(path)


def test_a_parquet_file_that_breaks_off_is_refused(tmp_path):
    path = write_as(tmp_path, "parquet")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SettingsError, match="is no whole parquet file"):
        read(path)


def test_a_folder_without_rows_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="holds no file that ends in"):
        read(tmp_path)


def test_parquet_reads_no_other_columns_than_asked_for(tmp_path):
    shard = list_shards([write_as(tmp_path, "parquet")])[0]
    assert next(read_shard(shard, ["answer", "absent"])) == (0, {"answer": "0"})

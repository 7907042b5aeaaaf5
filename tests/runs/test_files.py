"""Files that are written aside, so that a kill or a full disk leaves the earlier one whole."""

import errno
import subprocess
from unittest.mock import patch

import polars
import pytest

from fastmath.runs.files import write_aside, write_json, write_parquet


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    with write_aside(tmp_path / "a") as aside:
        aside.write_text("new")
        assert not (tmp_path / "a").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_broken_off_leaves_the_earlier_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(KeyboardInterrupt), write_aside(tmp_path / "a.json") as aside:
        aside.write_text("half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", '{\n  "old": 1\n}\n')]


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path):
    for text in ("old", "new"):
        with write_aside(tmp_path / "model") as aside:
            aside.mkdir()
            (aside / text).touch()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]


def test_a_folder_that_is_broken_off_is_removed(tmp_path):
    with pytest.raises(OSError, match="full"), write_aside(tmp_path / "model") as aside:
        aside.mkdir()
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_stays_where_nothing_was_written_in_its_place(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(FileNotFoundError), write_aside(tmp_path / "model"):
        pass
    assert (tmp_path / "model").is_dir()


def test_what_a_killed_process_has_left_is_removed_by_the_next_write(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".a.{ended.pid}").touch()
    with write_aside(tmp_path / "a") as aside:
        aside.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_leaves_the_earlier_table_whole(tmp_path):
    path = tmp_path / "sft.parquet"
    write_parquet(polars.DataFrame({"a": [1]}), path)
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch.object(polars.DataFrame, "write_parquet", side_effect=full), pytest.raises(OSError, match="No space"):
        write_parquet(polars.DataFrame({"a": [2]}), path)
    assert polars.read_parquet(path)["a"].to_list() == [1]
    assert [file.name for file in tmp_path.iterdir()] == ["sft.parquet"]


def test_metadata_travel_in_the_table(tmp_path):
    write_parquet(polars.DataFrame({"a": [1]}), tmp_path / "a.parquet", {"fingerprint": "x"})
    assert polars.read_parquet_metadata(tmp_path / "a.parquet")["fingerprint"] == "x"

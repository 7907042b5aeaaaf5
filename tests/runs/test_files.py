"""Files that are written aside, so that a kill or a full disk leaves the earlier one whole."""

import pytest

from fastmath.runs.files import write_aside, write_json


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

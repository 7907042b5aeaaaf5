"""Files outside a run are known by their contents."""

import os

import pytest

from fastmath.recipe.load import load_recipe
from fastmath.runs import sources
from fastmath.runs.sources import hash_sources, list_sources
from fastmath.runs.stage import OtherSettingsError, Stage


@pytest.fixture
def files(tmp_path):
    """A folder with a source, a test set and a launch file, and a recipe that names them."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text('{"problem": "1+1", "answer": "2"}\n')
    (tmp_path / "test.jsonl").write_text('{"problem": "2+2", "answer": "4"}\n')
    (tmp_path / "watched.csv").write_text("problem,answer\n3+3,6\n")
    (tmp_path / "two.yaml").write_text("num_processes: 2\n")
    return tmp_path


@pytest.fixture
def recipe(files):
    source = {"name": "mine", "kind": "problems", "path": "rows", "grpo": True}
    return load_recipe(
        "nano",
        {
            "data.sources": [source],
            "data.test_path": "test.jsonl",
            "data.validation_path": "watched.csv",
            "evaluate.problems": 1,
            "sft.accelerate": str(files / "two.yaml"),
        },
    )


@pytest.fixture
def stage(recipe, files):
    return Stage("build_data", recipe, files / "run", files)


def test_every_file_is_named_by_its_setting(recipe, files):
    assert list_sources("build_data", recipe, files) == {
        "source mine: a.jsonl": files / "rows" / "a.jsonl",
        "data.test_path": files / "test.jsonl",
        "data.validation_path": files / "watched.csv",
    }


def test_a_training_reads_its_launch_file(recipe, files):
    assert list_sources("sft", recipe, files) == {"sft.accelerate": files / "two.yaml"}


def test_a_hub_name_is_no_file(files):
    assert "model.name" not in list_sources("sft", load_recipe("nano"), files)


@pytest.mark.parametrize("name", ["rows/a.jsonl", "test.jsonl", "watched.csv"])
def test_changed_data_make_a_finished_stage_stale(stage, files, name):
    with stage.running():
        pass
    (files / name).write_text('{"problem": "3+3", "answer": "6"}\n')
    with pytest.raises(OtherSettingsError, match=r"contents \w{8} → contents \w{8}"):
        stage.require_same_settings()


def test_a_further_file_makes_a_finished_stage_stale(stage, files):
    with stage.running():
        pass
    (files / "rows" / "b.jsonl").touch()
    assert not stage.is_current()


def test_a_changed_launch_file_makes_a_training_stale(recipe, files):
    stage = Stage("sft", recipe, files / "run", files)
    with stage.running():
        pass
    (files / "two.yaml").write_text("num_processes: 4\n")
    assert list(stage.differences()) == ["sft.accelerate"]


def test_a_touched_file_with_the_same_contents_changes_nothing(stage, files):
    with stage.running():
        pass
    os.utime(files / "test.jsonl", (1, 1))
    assert stage.is_current()


def test_a_later_stage_refuses_data_that_have_changed_since(stage, recipe, files):
    with stage.running():
        pass
    (files / "test.jsonl").write_text('{"problem": "3+3", "answer": "6"}\n')
    with pytest.raises(OtherSettingsError, match=r"needs stage 'build_data'"):
        Stage("sft", recipe, files / "run", files).require_inputs("nano")


def test_a_later_stage_does_not_need_data_that_are_gone(stage, recipe, files):
    with stage.running():
        pass
    (files / "test.jsonl").unlink()
    Stage("sft", recipe, files / "run", files).require_inputs("nano")


def test_a_file_is_hashed_once(files, monkeypatch):
    found = {"data.test_path": files / "test.jsonl"}
    first = hash_sources(found, files)
    monkeypatch.setattr(sources, "_hash_file", lambda path: pytest.fail(f"{path} is read again"))
    assert hash_sources(found, files) == first

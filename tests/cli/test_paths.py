"""The file that a person names is the file that is used."""

from pathlib import Path

import pytest

from fastmath.cli.paths import begin_from, find_run, name_run, resolve_overrides, resolve_recipe
from fastmath.recipe.load import REPOSITORY_FOLDER


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder with files of its own, where the person stands."""
    (tmp_path / "configs").mkdir()
    for name in ("configs/nano.yaml", "test.csv", "zero9.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_recipe_s_path_starts_where_the_person_stands(elsewhere):
    assert resolve_recipe("configs/nano.yaml") == str(elsewhere / "configs" / "nano.yaml")


def test_a_recipe_s_name_is_that_of_a_shipped_one():
    assert resolve_recipe("nano") == "nano"


def test_a_run_folder_starts_where_the_person_stands(elsewhere):
    assert find_run("nano", Path("out"), {}) == elsewhere / "out"


def test_without_one_it_lies_in_the_checkout():
    assert find_run("nano", None, {}) == REPOSITORY_FOLDER / "runs" / "nano"


@pytest.mark.parametrize(("overrides", "name"), [({}, "nano"), ({"seed": 1}, "nano-seed1")], ids=["no seed", "a seed"])
def test_a_seed_is_part_of_the_run_s_name(overrides, name):
    assert name_run("configs/nano.yaml", overrides) == name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("data.test_path", "test.csv"), ("data.validation_path", "test.csv"), ("sft.accelerate", "zero9.yaml")),
        *(("data.sources.0.path", "test.csv"), ("evaluate.sets.0", "test.csv"), ("evaluate.models.mine", "configs")),
        ("evaluate.models.mine.path", "configs"),
    ],
)
def test_a_file_in_an_override_starts_where_the_person_stands(elsewhere, key, value):
    assert resolve_overrides({key: value}) == {key: str(elsewhere / value)}


def test_a_name_of_the_hub_stays_a_name():
    assert resolve_overrides({"data.sources.0.path": "open-r1/OpenR1"}) == {"data.sources.0.path": "open-r1/OpenR1"}


def test_a_setting_that_is_no_path_stays_as_it_is():
    assert resolve_overrides({"name": "test.csv"}) == {"name": "test.csv"}


def test_lists_of_files_are_resolved_too(elsewhere):
    key = "data.decontaminate.files"
    assert resolve_overrides({key: ["test.csv"]}) == {key: [str(elsewhere / "test.csv")]}


@pytest.mark.parametrize("key", ["data.test_path", "data.validation_path", "evaluate.sets.0"])
def test_a_file_that_is_nowhere_is_missed_where_the_person_stands(elsewhere, key):
    assert resolve_overrides({key: "gone.csv"}) == {key: str(elsewhere / "gone.csv")}


@pytest.mark.parametrize("value", ["hf://datasets/b/c@d/e.csv", "tests/fixtures/questions.csv"])
def test_a_file_of_the_hub_or_of_the_checkout_stays_as_it_is(value):
    assert resolve_overrides({"data.test_path": value}) == {"data.test_path": value}


def test_files_in_a_list_of_sources_are_resolved_too(elsewhere):
    sources = [{"name": "test.csv", "path": "test.csv"}]
    resolved = {"name": "test.csv", "path": str(elsewhere / "test.csv")}
    assert resolve_overrides({"data.sources": sources}) == {"data.sources": [resolved]}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("me/mine@1df85", "nano-mine"),
        ("me/mine", "nano-mine"),
        ("configs", "nano-configs"),
        ("./configs/", "nano-configs"),
    ],
)
def test_a_model_is_part_of_the_run_s_name(model, name):
    assert name_run("nano", {}, model) == name


@pytest.mark.parametrize(
    ("first", "absent"),
    [
        (None, set()),
        ("sft", set()),
        ("grpo", {"sft"}),
        ("quantize_awq", {"sft", "grpo"}),
        ("evaluate", {"sft", "grpo", "quantize"}),
        ("kernel", {"sft", "grpo", "quantize"}),
    ],
)
def test_a_run_that_begins_from_a_model_leaves_out_what_comes_before(first, absent):
    overrides = begin_from("me/mine@1df85", first)
    assert overrides == {"model.name": "me/mine", "model.revision": "1df85", "model.nano": None} | dict.fromkeys(absent)


def test_a_folder_has_no_revision():
    assert begin_from("configs", None) == {"model.name": "configs", "model.revision": None, "model.nano": None}

"""The model that a stage begins from."""

import pytest

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.runs.model_folder import ModelFolderError
from fastmath.runs.stage import MissingStageError, Stage
from fastmath.runs.start_model import StartModel, find_start_model

OWN = {"model.name": "mine", "model.nano": None, "data.test_path": "test.jsonl", "sft": None}
COMMIT = "1df8507178afcc1bef68cd8c393f61a886323761"


def make_stage(name, tmp_path, **settings):
    return Stage(name, load_recipe("nano", settings), tmp_path / "run", tmp_path)


def test_the_embedded_model_lies_in_the_data_stage(tmp_path):
    stage = make_stage("sft", tmp_path)
    assert find_start_model(stage) == StartModel(str(tmp_path / "run" / "build_data" / "base_model"))


def test_a_folder_starts_at_the_root(tmp_path):
    (tmp_path / "mine").mkdir()
    assert find_start_model(make_stage("grpo", tmp_path, **OWN)) == StartModel(str(tmp_path / "mine"))


def test_a_hub_model_is_taken_by_its_commit(tmp_path):
    stage = make_stage("grpo", tmp_path, **OWN | {"model.name": "me/mine", "model.revision": COMMIT})
    assert find_start_model(stage) == StartModel("me/mine", COMMIT)


def test_a_hub_model_without_a_commit_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"`model\.revision`: the Hub model mine is pinned to no commit"):
        find_start_model(make_stage("grpo", tmp_path, **OWN))


def test_a_model_that_no_stage_has_made_is_named_with_its_stage(tmp_path):
    with pytest.raises(MissingStageError, match="which stage 'sft' makes"):
        find_start_model(make_stage("grpo", tmp_path))


def test_a_folder_without_weights_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    with pytest.raises(ModelFolderError, match=r"lacks its weights \(\*\.safetensors\) and its tokenizer"):
        find_start_model(make_stage("quantize_awq", tmp_path, **OWN, grpo=None)).fetch()


def test_a_local_base_model_is_a_source_of_the_stage_that_begins_from_it(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    sources = {
        name: make_stage(name, tmp_path, **OWN).source_hashes().keys() for name in ("grpo", "quantize_awq", "evaluate")
    }
    assert "model.name: config.json" in sources["grpo"]
    assert "model.name: config.json" not in sources["quantize_awq"]

"""A model folder has to be whole before anything loads it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fastmath.runs.model_folder import ModelFolderError, check_model_folder, find_model_folder, require_finite


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_a_whole_folder_passes(folder):
    check_model_folder(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [("config.json", "configuration"), ("tokenizer.json", "tokenizer"), ("model.safetensors", "weights")],
)
def test_a_missing_part_is_named(folder, name, said):
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=f"lacks its {said}"):
        check_model_folder(folder)


def test_a_missing_shard_is_named(folder):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelFolderError, match=r"lacks model-2\.safetensors"):
        check_model_folder(folder)


def test_a_missing_folder_says_that_its_stage_has_to_run(tmp_path):
    with pytest.raises(ModelFolderError, match="the stage that makes it has to run first"):
        check_model_folder(tmp_path / "none")


@pytest.mark.parametrize(("value", "holds"), [(1.0, True), (float("nan"), False), (float("inf"), False)])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value, holds):
    save_file({"layer.weight": torch.tensor([0.5, value])}, tmp_path / "model.safetensors")
    if holds:
        require_finite(tmp_path)
    else:
        with pytest.raises(ModelFolderError, match=r"1 of 2 weights of 'layer\.weight' in .* are NaN or infinite"):
            require_finite(tmp_path)


def make_model(folder: Path, **configuration: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(configuration))
    for name in ("tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return folder


def test_a_model_is_found_beside_other_configurations(tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "config.json").write_text("{}")
    model = make_model(tmp_path / "models" / "x" / "1")
    assert find_model_folder(tmp_path) == model


def test_of_several_models_the_quantised_one_is_taken_and_named(tmp_path, caplog):
    make_model(tmp_path / "a")
    quantised = make_model(tmp_path / "b", quantization_config={"quant_method": "awq"})
    assert find_model_folder(tmp_path) == quantised
    assert f"there are 2 models below {tmp_path}; {quantised} is taken" in caplog.text


def test_no_model_at_all_is_refused_with_what_is_there(tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "config.json").write_text("{}")
    with pytest.raises(ModelFolderError, match=rf"with a config\.json: {tmp_path}/adapter\. Mount"):
        find_model_folder(tmp_path)

"""The model between the start model and the trained one: its weights, and when it is the product."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from fastmath.data import build
from fastmath.recipe.inference import EvaluateSettings
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from fastmath.training import grpo
from fastmath.training.interpolation import (
    InterpolationError,
    interpolate_product,
    interpolate_weights,
    is_trained,
    limit_engines,
)
from fastmath.training.selection import read_interpolation
from fastmath.training.story import tell_validations
from helpers.tiny_recipe import TINY

SETTINGS = {name: value for name, value in TINY.items() if not name.startswith("sft")} | {
    "sft": None,
    "grpo.interpolation": 0.5,
    "grpo.trainer.max_steps": 2,
    "grpo.trainer.learning_rate": 1e-2,
    "grpo.validation.every": 2,
    "grpo.validation.samples": 2,
}


def write_model(folder: Path, **files: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(parents=True)
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model": folder.name}))
    return folder


def test_each_weight_lies_between_the_two_models(tmp_path):
    start = write_model(tmp_path / "start", one={"a": torch.tensor([1.0])}, two={"b": torch.tensor([4.0])})
    trained = write_model(tmp_path / "trained", model={"a": torch.tensor([2.0]), "b": torch.tensor([3.0])})
    interpolate_weights(start, trained, 0.75, tmp_path / "between")
    mixed = load_file(tmp_path / "between" / "model.safetensors")
    # 1 + 0.75 * (2 - 1), and 4 + 0.75 * (3 - 4)
    assert (mixed["a"].item(), mixed["b"].item()) == (1.75, 3.25)
    assert json.loads((tmp_path / "between" / "config.json").read_text()) == {"model": "trained"}


def test_weights_of_sixteen_bits_are_rounded_once(tmp_path):
    start = write_model(tmp_path / "start", model={"a": torch.tensor([1.0], dtype=torch.bfloat16)})
    trained = write_model(tmp_path / "trained", model={"a": torch.tensor([1.0078125], dtype=torch.bfloat16)})
    interpolate_weights(start, trained, 0.75, tmp_path / "between")
    mixed = load_file(tmp_path / "between" / "model.safetensors")["a"]
    # bfloat16 has steps of 1/128 from 1 on: three quarters of one are nearer to the whole step
    assert (mixed.dtype, mixed.item()) == (torch.bfloat16, 1.0078125)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"b": torch.zeros(2)}, r"'a' of the trained model are not in the start model"),
        ({"a": torch.zeros(3)}, r"'a' have the shape \(3,\) in the start model and \(2,\) in the trained"),
    ],
    ids=["missing", "shape"],
)
def test_other_weights_are_refused_and_nothing_is_written(tmp_path, start, message):
    start = write_model(tmp_path / "start", model=start)
    trained = write_model(tmp_path / "trained", model={"a": torch.zeros(2)})
    with pytest.raises(InterpolationError, match=message):
        interpolate_weights(start, trained, 0.5, tmp_path / "between")
    assert not (tmp_path / "between").exists()


# 100 problems x 4 samples x 256 tokens = 102,400 of 200,000 that are worth an engine; with 16,384 tokens 6.6 million
@pytest.mark.parametrize(("budget", "engines"), [(256, 1), (16_384, 8)])
def test_few_tokens_are_drawn_by_few_engines(budget, engines):
    sampling = EvaluateSettings(samples=4, token_budget=budget, engines=8)
    assert limit_engines(sampling, 100).engines == engines


@pytest.fixture
def stage(tmp_path) -> Stage:
    """A stage whose interpolated model is written and not yet in its place."""
    stage = Stage("grpo", load_recipe("nano", SETTINGS), tmp_path)
    for folder, value in ((stage.folder / "model", 2.0), (stage.folder / "interpolation" / "model", 1.5)):
        write_model(folder, model={"a": torch.tensor([value])})
        (folder / "tokenizer.json").touch()
    return stage


def record(stage: Stage, taken: bool) -> None:
    (stage.folder / "interpolation.json").write_text(json.dumps({"share": 0.5, "taken": taken}))


def read_weight(folder: Path) -> float:
    return load_file(folder / "model.safetensors")["a"].item()


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_an_interrupted_exchange_is_finished(stage, moves):
    record(stage, taken=True)
    product, folder = stage.folder / "model", stage.folder / "interpolation"
    for origin, target in [(product, folder / "trained"), (folder / "model", product)][:moves]:
        origin.rename(target)
    assert is_trained(stage.folder)
    interpolate_product(stage)
    assert (read_weight(product), read_weight(folder / "trained")) == (1.5, 2.0)
    assert not (folder / "model").exists()


def test_a_worse_model_is_not_taken(stage):
    record(stage, taken=False)
    interpolate_product(stage)
    assert read_weight(stage.folder / "model") == 2.0
    assert not (stage.folder / "interpolation" / "model").exists()


@pytest.mark.slow
def test_a_training_s_product_lies_halfway_and_is_validated_as_the_others(tmp_path):
    recipe = load_recipe("nano", SETTINGS)
    for name, work in (("build_data", build.run), ("grpo", grpo.run)):
        stage = Stage(name, recipe, tmp_path)
        with stage.running():
            work(stage)
    folder = tmp_path / "grpo"
    found = read_interpolation(folder)
    samples = pl.read_parquet(folder / "interpolation" / "samples.parquet")
    assert (found["share"], samples.height) == (0.5, 6 * 2)  # as in every validation of this recipe
    assert found["validation/tokens"] == pytest.approx(samples["tokens"].mean())
    assert found["taken"]
    models = [tmp_path / "build_data" / "base_model", folder / "interpolation" / "trained", folder / "model"]
    start, trained, product = (load_file(each / "model.safetensors") for each in models)
    assert all(torch.allclose(product[name], (start[name] + trained[name]) / 2, atol=1e-7) for name in product)
    assert "| **interpolated** |" in tell_validations(folder)

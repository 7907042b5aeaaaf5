"""Runs that begin from somebody else's model folder: nano's weights and SmolLM2's."""

import json

import polars
import pytest

from fastmath.data import build
from fastmath.engine import quantize
from fastmath.evaluation.models import sample_models
from fastmath.evaluation.report import build_report
from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.load import load_recipe
from fastmath.recipe.sections import NanoModelSettings
from fastmath.runs.stage import Stage
from fastmath.runs.stages import list_stages
from fastmath.training import grpo
from helpers.registry import write_smollm2
from helpers.tiny_recipe import TINY

ENGINE = {
    "arguments": {"dtype": "float32", "max_model_len": 512, "enforce_eager": True},
    "environment": {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"},
}
SMALL = {name: value for name, value in TINY.items() if not name.startswith(("model.nano", "sft"))} | {
    "sft": None,
    "kernel.questions": 2,
    "evaluate.engines": 1,
    "evaluate.problems": 2,
    "evaluate.engine": ENGINE,
}
NOTHING_TRAINED = {"sft": None, "grpo": None}


@pytest.fixture
def problems(tmp_path):
    """A file of held-out problems, as a user has one."""
    path = tmp_path / "mine.parquet"
    rows = generate_rows("test", NanoDataSettings(), 6)
    polars.DataFrame([{"problem": row["problem"], "answer": row["answer"]} for row in rows]).write_parquet(path)
    return path


@pytest.fixture
def nano_folder(tmp_path):
    texts = [str(row["problem"]) for row in generate_rows("train", NanoDataSettings(), 50)]
    shape = NanoModelSettings(hidden_size=64, intermediate_size=64, layers=1, heads=2)
    make_base_model(tmp_path / "theirs", shape, texts, seed=0)
    return tmp_path / "theirs"


def open_recipe(name, model, problems, **settings):
    own = {"model.name": str(model), "model.revision": None, "model.nano": None, "data.test_path": str(problems)}
    absent = {key for key, value in settings.items() if value is None}
    small = {key: value for key, value in SMALL.items() if key.split(".")[0] not in absent}
    return load_recipe(name, small | own | settings)


def run(name, recipe, run_dir, work):
    stage = Stage(name, recipe, run_dir)
    stage.require_inputs(recipe.name)
    with stage.running():
        return work(stage)


def test_an_evaluation_alone_needs_no_training_data(nano_folder, problems, tmp_path):
    absent = NOTHING_TRAINED | {"quantize": None, "data.sources": []}
    recipe = open_recipe("nano", nano_folder, problems, **absent)
    assert list_stages(recipe) == ["build_data", "evaluate", "kernel"]
    run("build_data", recipe, tmp_path / "run", build.run)
    built = tmp_path / "run" / "build_data"
    assert polars.read_parquet(built / "test.parquet").height == 6
    assert polars.read_parquet(built / "sft.parquet").height == 0


@pytest.mark.slow
def test_grpo_begins_from_a_base_model(nano_folder, problems, tmp_path):
    recipe = open_recipe("nano", nano_folder, problems)
    for name, work in (("build_data", build.run), ("grpo", grpo.run)):
        run(name, recipe, tmp_path / "run", work)
    rows = polars.read_ndjson(tmp_path / "run" / "grpo" / "metrics.jsonl", infer_schema_length=None)
    assert rows["step"].max() == 2
    assert (tmp_path / "run" / "grpo" / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_smollm2_is_quantised_and_evaluated(problems, tmp_path):
    # Its first two layers: AutoAWQ takes a minute for each on a CPU. Widths, vocabulary and prompt are the real ones.
    model = write_smollm2(tmp_path, layers=2)
    recipe = open_recipe(
        *("smollm2_135m", model, problems),
        **NOTHING_TRAINED,
        **{"data.sources": [{"name": "nano", "kind": "nano"}], "data.decontaminate.files": []},
        **{"quantize.calibration_tokens": 32, "data.nano.train_problems": 50},
    )
    for name, work in (("build_data", build.run), ("quantize_awq", quantize.run), ("evaluate", sample_models)):
        run(name, recipe, tmp_path / "run", work)
    config = json.loads((tmp_path / "run" / "quantize_awq" / "model" / "config.json").read_text())
    assert config["quantization_config"]["group_size"] == 64
    assert [entry["name"] for entry in build_report(tmp_path / "run")["models"]] == ["base", "awq"]

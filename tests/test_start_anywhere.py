"""Runs that begin from somebody else's model folder: nano's weights and SmolLM2's."""

import json

import polars
import pytest

from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.sections import NanoModelSettings
from helpers.command import fastmath
from helpers.registry import write_smollm2
from helpers.tiny_recipe import TINY

ENGINE = {
    "arguments": {"dtype": "float32", "max_model_len": 512, "enforce_eager": True},
    "environment": {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
}
SMALL = {name: value for name, value in TINY.items() if not name.startswith(("model.nano", "sft"))} | {
    "kernel.questions": 2,
    "evaluate.problems": 3,
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def problems(tmp_path_factory):
    """A file of held-out problems, as a user has one."""
    path = tmp_path_factory.mktemp("problems") / "mine.parquet"
    rows = generate_rows("test", NanoDataSettings(), 6)
    polars.DataFrame([{"problem": row["problem"], "answer": row["answer"]} for row in rows]).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def nano_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs") / "nano-weights"
    texts = [str(row["problem"]) for row in generate_rows("train", NanoDataSettings(), 50)]
    make_base_model(folder, NanoModelSettings(hidden_size=64, intermediate_size=64, layers=1, heads=2), texts, seed=0)
    return folder


def run(recipe, model, first, last, run_dir, problems, **settings):
    """The names of the stages that ran, and the folder of the run."""
    overrides = SMALL | {"data.test_path": str(problems)} | settings
    assignments = [part for key, value in overrides.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    finished = fastmath(
        *("run", recipe, "--model", str(model), "--from", first, "--to", last),
        *("--run-dir", str(run_dir), "--json", *assignments),
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return [stage["stage"] for stage in json.loads(finished.stdout.splitlines()[-1])["stages"]]


def models_of(run_dir):
    return [model["name"] for model in json.loads((run_dir / "report.json").read_text())["models"]]


def test_an_evaluation_alone_needs_no_training_data(nano_folder, problems, tmp_path):
    stages = run("nano", nano_folder, "evaluate", "evaluate", tmp_path / "run", problems, **{"data.sources": []})
    assert stages == ["build_data", "evaluate"]
    assert models_of(tmp_path / "run") == ["base"]
    assert polars.read_parquet(tmp_path / "run" / "evaluate" / "samples-base.parquet").height == 3 * 4


def test_grpo_begins_from_a_base_model(nano_folder, problems, tmp_path):
    stages = run("nano", nano_folder, "grpo", "grpo", tmp_path / "run", problems)
    assert stages == ["build_data", "grpo"]
    rows = polars.read_ndjson(tmp_path / "run" / "grpo" / "metrics.jsonl", infer_schema_length=None)
    assert rows["step"].max() == 2
    assert (tmp_path / "run" / "grpo" / "model" / "model.safetensors").exists()


def test_smollm2_is_quantised_evaluated_and_plays_a_contest(problems, tmp_path):
    # Its first three layers: AutoAWQ takes a minute for each on a CPU. Widths, vocabulary and prompt are the real ones.
    model = write_smollm2(tmp_path, layers=3)
    nano = {"name": "nano", "kind": "nano", "grpo": True}
    stages = run(
        *("smollm2_135m", model, "quantize_awq", "kernel", tmp_path / "run", problems),
        **{"data.sources": [nano], "data.decontaminate.files": [], "quantize.calibration_tokens": 32},
        **{"evaluate.engine": ENGINE, "kernel.engine": ENGINE, "kernel.limit_seconds": 60},
    )
    assert stages == ["build_data", "quantize_awq", "evaluate", "kernel"]
    assert models_of(tmp_path / "run") == ["base", "awq"]
    config = json.loads((tmp_path / "run" / "quantize_awq" / "model" / "config.json").read_text())
    assert config["quantization_config"]["group_size"] == 64
    assert polars.read_parquet(tmp_path / "run" / "kernel" / "submission.parquet").height == 2

"""The models of a run, sampled by vLLM in its own process, and what is not sampled again."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from transformers import AutoTokenizer, GenerationConfig

from fastmath.evaluation.models import find_models, find_reading, sample_models
from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.load import load_recipe
from fastmath.recipe.sections import NanoModelSettings, Recipe
from fastmath.runs.process import ChildFailedError
from fastmath.runs.stage import MissingStageError, Stage
from fastmath.sampling.samples import SAMPLE_SCHEMA


def make_stage(run_dir: Path, **evaluate: object) -> Stage:
    recipe = {
        "name": "tiny",
        "model": {"name": "nano", "nano": {}},
        "data": {"sources": [{"name": "nano", "kind": "nano"}]},
        "sft": {},
        "grpo": {"rewards": [{"name": "cosine"}]},
        "quantize": {},
        "evaluate": {
            "problems": 3,
            "samples": 8,
            "token_budget": 64,
            "engine": {
                "arguments": {"dtype": "float32", "enforce_eager": True},
                "environment": {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
            },
        }
        | evaluate,
        "kernel": {},
    }
    stage = Stage("evaluate", Recipe.model_validate(recipe), run_dir)
    stage.folder.mkdir(exist_ok=True)
    return stage


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an untrained model, once as the SFT model and once, the same weights, as the GRPO model."""
    folder = tmp_path_factory.mktemp("run")
    rows = list(generate_rows("test", NanoDataSettings(), 4))
    settings = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=256, vocabulary_size=320)
    texts = [str(row["problem"]) for row in rows]
    for stage in ("sft", "grpo"):
        make_base_model(folder / stage / "model", settings, texts, seed=0)
        tokenizer = AutoTokenizer.from_pretrained(folder / stage / "model")
        ends = [tokenizer.convert_tokens_to_ids("</think>"), tokenizer.eos_token_id]
        GenerationConfig(eos_token_id=ends).save_pretrained(folder / stage / "model")
    (folder / "build_data").mkdir()
    problems = [(row["uuid"], row["problem"], int(str(row["answer"]))) for row in rows]
    pl.DataFrame(problems, schema=["id", "problem", "answer"], orient="row").write_parquet(
        folder / "build_data" / "test.parquet"
    )
    return folder


@pytest.fixture(scope="module")
def sample_files(run_dir: Path) -> dict[str, Path]:
    return sample_models(make_stage(run_dir))


def test_models_that_exist_are_found_in_order(run_dir: Path) -> None:
    assert list(find_models(make_stage(run_dir))) == ["sft", "grpo"]


def test_one_row_a_sample(sample_files: dict[str, Path]) -> None:
    samples = pl.read_parquet(sample_files["sft"])
    assert samples.schema == SAMPLE_SCHEMA
    assert samples.group_by("problem_id").len()["len"].to_list() == [8, 8, 8]


def test_the_same_weights_and_seeds_give_the_same_samples(sample_files: dict[str, Path]) -> None:
    assert pl.read_parquet(sample_files["sft"]).equals(pl.read_parquet(sample_files["grpo"]))


def test_samples_of_one_problem_differ(sample_files: dict[str, Path]) -> None:
    samples = pl.read_parquet(sample_files["sft"])
    assert samples["text"].n_unique() == len(samples)


def test_a_finished_sample_ends_with_an_end_token(sample_files: dict[str, Path]) -> None:
    finished = pl.read_parquet(sample_files["sft"]).filter(pl.col("finish_reason") == "stop")
    assert len(finished) > 0
    assert all(text.endswith(("</think>", "<|endoftext|>")) for text in finished["text"])


def test_a_sample_that_was_cut_off_has_all_its_tokens(sample_files: dict[str, Path]) -> None:
    cut = pl.read_parquet(sample_files["sft"]).filter(pl.col("finish_reason") == "length")
    assert cut["tokens"].unique().to_list() == [64]


def test_samples_that_are_there_are_not_made_again(run_dir: Path, sample_files: dict[str, Path]) -> None:
    before = {name: path.stat().st_mtime_ns for name, path in sample_files.items()}
    # the budgets' shares decide the report, not the samples
    again = sample_models(make_stage(run_dir, budget_shares=(0.5,)))
    assert {name: path.stat().st_mtime_ns for name, path in again.items()} == before


def test_a_budget_beyond_the_context_fails_with_the_engines_log(run_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(run_dir, tmp_path / "run")
    with pytest.raises(
        ChildFailedError, match=r"`evaluate.token_budget` is 250, together more than the context of 256"
    ):
        sample_models(make_stage(tmp_path / "run", token_budget=250))


def test_a_run_without_a_model_says_which_stage_is_missing(run_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(run_dir / "build_data", tmp_path / "build_data")
    with pytest.raises(MissingStageError, match="which stage 'quantize_awq' makes"):
        sample_models(make_stage(tmp_path))


@pytest.mark.parametrize(
    ("absent", "model", "section"),
    [
        ({}, "sft-epoch-1", "sft"),
        ({}, "awq", "grpo"),
        ({"grpo": None}, "awq", "sft"),
        ({"sft": None, "grpo": None}, "awq", "model"),
        ({"sft": None}, "base", "model"),
    ],
)
def test_a_quantised_model_is_read_as_the_model_that_it_was_made_of(absent: dict, model: str, section: str) -> None:
    recipe = load_recipe("nano", absent)
    expected = recipe.model.answers if section == "model" else recipe.trainings[section].answers
    assert find_reading(model, recipe) == expected

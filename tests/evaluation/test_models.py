"""The models of a run, sampled by vLLM in its own process, and what is not sampled again."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from transformers import AutoTokenizer, GenerationConfig

from fastmath.evaluation.models import find_models, find_reading, list_models, sample_models
from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import dump_recipe, load_recipe
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


def with_models(run_dir: Path, **models: object) -> Stage:
    """An evaluation of these models alone."""
    recipe = load_recipe("nano", {"sft": None, "grpo": None, "quantize": None, "evaluate.models": models})
    return Stage("evaluate", recipe, run_dir, run_dir)


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


@pytest.mark.slow
def test_one_row_a_sample(sample_files: dict[str, Path]) -> None:
    samples = pl.read_parquet(sample_files["sft"])
    assert samples.schema == SAMPLE_SCHEMA
    assert samples.group_by("problem_id").len()["len"].to_list() == [8, 8, 8]


@pytest.mark.slow
def test_the_same_weights_and_seeds_give_the_same_samples(sample_files: dict[str, Path]) -> None:
    assert pl.read_parquet(sample_files["sft"]).equals(pl.read_parquet(sample_files["grpo"]))


@pytest.mark.slow
def test_samples_of_one_problem_differ(sample_files: dict[str, Path]) -> None:
    samples = pl.read_parquet(sample_files["sft"])
    assert samples["text"].n_unique() == len(samples)


@pytest.mark.slow
def test_a_finished_sample_ends_with_an_end_token(sample_files: dict[str, Path]) -> None:
    finished = pl.read_parquet(sample_files["sft"]).filter(pl.col("finish_reason") == "stop")
    assert len(finished) > 0
    assert all(text.endswith(("</think>", "<|endoftext|>")) for text in finished["text"])


@pytest.mark.slow
def test_a_sample_that_was_cut_off_has_all_its_tokens(sample_files: dict[str, Path]) -> None:
    cut = pl.read_parquet(sample_files["sft"]).filter(pl.col("finish_reason") == "length")
    assert cut["tokens"].unique().to_list() == [64]


@pytest.mark.slow
def test_samples_that_are_there_are_not_made_again(run_dir: Path, sample_files: dict[str, Path]) -> None:
    before = {name: path.stat().st_mtime_ns for name, path in sample_files.items()}
    # the budgets' shares decide the report, not the samples
    again = sample_models(make_stage(run_dir, budget_shares=(0.5,)))
    assert {name: path.stat().st_mtime_ns for name, path in again.items()} == before


@pytest.mark.slow
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


def test_models_that_the_recipe_names_are_evaluated_beside_those_of_the_run(run_dir: Path) -> None:
    stage = make_stage(run_dir, models={"other": str(run_dir / "grpo" / "model")})
    assert list(find_models(stage)) == ["sft", "grpo", "other"]


def test_named_models_alone_are_evaluated_where_the_recipe_makes_none(run_dir: Path) -> None:
    assert list(find_models(with_models(run_dir, mine="sft/model"))) == ["mine"]


@pytest.mark.parametrize("folder", ["grpo/model", "grpo/checkpoints/checkpoint-20", "sft/first_epoch/model"])
def test_a_model_of_another_run_is_read_and_prompted_as_its_recipe_says(
    run_dir: Path, tmp_path: Path, folder: str
) -> None:
    stage = folder.partition("/")[0]
    shutil.copytree(run_dir / "sft" / "model", tmp_path / "runs" / "old" / folder)
    made_by = load_recipe("nano", {"model.system_prompt": "boxed"})
    (tmp_path / "runs" / "old" / stage / "config.yaml").write_text(dump_recipe(made_by))
    model = find_models(with_models(tmp_path, mine=f"runs/old/{folder}"))["mine"]
    assert (model.reading, model.system_prompt) == (made_by.trainings[stage].answers, "boxed")


def test_another_model_is_read_as_the_recipes_base_model_or_as_it_says_itself(run_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(run_dir / "sft" / "model", tmp_path / "published")
    own = {"generation_end": "think_end", "answer_place": "reasoning"}
    stage = with_models(tmp_path, one="published", two={"path": "published", "answers": own, "system_prompt": "boxed"})
    one, two = find_models(stage).values()
    assert (one.reading, one.system_prompt) == (stage.recipe.model.answers, "none")
    assert (two.reading.model_dump(), two.system_prompt) == (own, "boxed")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere/at/all", "there is no folder .*nowhere/at/all; want that of a checkpoint, or OWNER/NAME@COMMIT"),
        ("me/mine", "the Hub model me/mine is pinned to no commit"),
        ("me/mine@main", "'main', which is no commit"),
        (".", "is a run; want one of its models: .*grpo/model, .*sft/model"),
    ],
)
def test_what_is_no_model_is_refused_with_what_would_be_one(
    run_dir: Path, tmp_path: Path, path: str, message: str
) -> None:
    shutil.copytree(run_dir, tmp_path / "run")
    (tmp_path / "run" / "01_build_data.ipynb").touch()
    with pytest.raises(SettingsError, match=message):
        find_models(with_models(tmp_path / "run", mine=path))


def test_a_name_of_the_runs_own_models_is_refused(run_dir: Path) -> None:
    with pytest.raises(SettingsError, match="'sft', which is the run's own"):
        find_models(make_stage(run_dir, models={"sft": "grpo/model"}))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["sft-epoch-1", "sft", "grpo", "awq"]),
        ({"sft": None}, ["base", "grpo", "awq"]),
        ({"sft": None, "grpo": None, "quantize": None}, ["base"]),
        ({"sft": None, "evaluate.models": {"mine": "here"}}, ["grpo", "awq", "mine"]),
    ],
    ids=["all", "from the base model", "nothing made", "named"],
)
def test_the_base_model_is_evaluated_where_a_run_begins_from_it_and_names_no_other(
    settings: dict, names: list[str]
) -> None:
    assert list_models(load_recipe("nano", settings)) == names

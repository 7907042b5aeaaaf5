"""Sampling without an engine: seeds, judging, model folders, what is sampled again; and a short run of vLLM itself."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, GenerationConfig

from fastmath.evaluation.models import find_models, sample_models
from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.inference import EvaluateSettings
from fastmath.recipe.sections import NanoModelSettings, Recipe
from fastmath.runs.process import ChildFailedError
from fastmath.runs.stage import MissingStageError, Stage
from fastmath.sampling.jobs import process_environment, read_problems, sample_seed
from fastmath.sampling.samples import SAMPLE_SCHEMA, judge_samples

PROBLEMS = pl.DataFrame({"id": ["p"], "problem": ["3 + 4?"], "answer": [7]})


def judge(text: str, finish_reason: str = "stop") -> dict[str, object]:
    raw = {"problem_id": "p", "sample": 0, "text": text, "tokens": 5, "finish_reason": finish_reason, "seed": 1}
    return judge_samples(pl.DataFrame([raw]), PROBLEMS).row(0, named=True)


@given(st.integers(0, 10), st.text(max_size=10), st.integers(0, 100))
def test_seeds_fit_into_31_bits(seed: int, problem_id: str, sample: int) -> None:
    assert 0 <= sample_seed(seed, problem_id, sample) < 2**31


def test_seeds_differ_by_run_problem_and_sample() -> None:
    seeds = {sample_seed(seed, problem, sample) for seed in range(3) for problem in ("a", "b") for sample in range(16)}
    assert len(seeds) == 3 * 2 * 16


def test_a_right_answer_is_correct() -> None:
    graded = judge("(1) 3+4=7\nSo \\boxed{7}.\n</think>")
    assert (graded["answer"], graded["correct"]) == ("7", True)


def test_a_wrong_answer_is_an_answer() -> None:
    graded = judge("So \\boxed{8}.\n</think>")
    assert (graded["answer"], graded["correct"]) == ("8", False)


def test_an_integer_is_written_in_one_way() -> None:
    assert judge("So \\boxed{007}.\n</think>")["answer"] == "7"


def test_an_answer_that_is_no_integer_is_kept() -> None:
    graded = judge("So \\boxed{x+1}.\n</think>")
    assert (graded["answer"], graded["correct"]) == ("x+1", False)


def test_a_sample_that_was_cut_off_has_no_answer() -> None:
    graded = judge("So \\boxed{7}. wait", finish_reason="length")
    assert (graded["answer"], graded["correct"]) == (None, False)


def test_a_box_after_the_reasoning_is_no_answer() -> None:
    assert judge("3+4=7\n</think>The answer is \\boxed{7}")["answer"] is None


def test_judging_keeps_the_schema() -> None:
    raw = {"problem_id": "p", "sample": 0, "text": "", "tokens": 5, "finish_reason": "length", "seed": 1}
    assert judge_samples(pl.DataFrame([raw]), PROBLEMS).schema == SAMPLE_SCHEMA


def test_only_the_first_problems_are_read(tmp_path: Path) -> None:
    problems = pl.DataFrame({"id": ["a", "b", "c"], "problem": ["?"] * 3, "answer": [1, 2, 3]})
    problems.write_parquet(tmp_path / "test.parquet")
    assert read_problems(tmp_path / "test.parquet", 2)["id"].to_list() == ["a", "b"]


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["a", "a"], "problem": ["?"] * 2, "answer": [1, 2]}).write_parquet(tmp_path / "test.parquet")
    with pytest.raises(ValueError, match="2 problems with 1 different ids"):
        read_problems(tmp_path / "test.parquet", 5)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["a"], "question": ["?"]}).write_parquet(tmp_path / "test.parquet")
    with pytest.raises(ValueError, match="want id, problem, answer"):
        read_problems(tmp_path / "test.parquet", 5)


def test_the_recipes_environment_wins() -> None:
    settings = EvaluateSettings(engine={"environment": {"VLLM_LOGGING_LEVEL": "INFO"}})
    assert process_environment(settings)["VLLM_LOGGING_LEVEL"] == "INFO"


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
    assert list(find_models(run_dir)) == ["sft", "grpo"]


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
    with pytest.raises(ChildFailedError, match=r"`evaluate.token_budget` is 250, together more than the context"):
        sample_models(make_stage(tmp_path / "run", token_budget=250))


def test_a_run_without_a_model_says_which_stage_is_missing(run_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(run_dir / "build_data", tmp_path / "build_data")
    with pytest.raises(MissingStageError, match="which stage 'sft' makes"):
        sample_models(make_stage(tmp_path))

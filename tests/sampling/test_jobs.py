"""What is to be sampled: seeds, problems, and the environment of the process."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.recipe.inference import EvaluateSettings
from fastmath.sampling.jobs import process_environment, read_problems, sample_seed


@given(st.integers(0, 10), st.text(max_size=10), st.integers(0, 100))
def test_seeds_fit_into_31_bits(seed: int, problem_id: str, sample: int) -> None:
    assert 0 <= sample_seed(seed, problem_id, sample) < 2**31


def test_seeds_differ_by_run_problem_and_sample() -> None:
    seeds = {sample_seed(seed, problem, sample) for seed in range(3) for problem in ("a", "b") for sample in range(16)}
    assert len(seeds) == 3 * 2 * 16


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

"""What is to be sampled: problems, samples, seeds and fingerprints."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.sampling.jobs import derive_seed, list_wanted, read_problems
from helpers.tiny_jobs import make_tiny_job

PROBLEMS = pl.DataFrame({"id": ["a", "b"], "problem": ["1?", "2?"], "answer": ["025", r"\frac{1}{2}"]})


def write(tmp_path: Path, **columns: list[object]) -> Path:
    pl.DataFrame(columns).write_parquet(tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


def test_answers_are_texts_and_integers_are_plain_digits(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path)
    assert read_problems(job.problems)["answer"].to_list() == ["25", r"\frac{1}{2}"]


def test_answers_in_a_column_of_integers_are_read(tmp_path: Path) -> None:
    assert read_problems(write(tmp_path, id=["a"], problem=["?"], answer=[25]))["answer"].to_list() == ["25"]


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 problems with 1 different ids"):
        read_problems(write(tmp_path, id=["a", "a"], problem=["?"] * 2, answer=[1, 2]))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="want id, problem, answer"):
        read_problems(write(tmp_path, id=["a"], question=["?"]))


def test_every_problem_is_asked_once_before_one_is_asked_again(model: Path, tmp_path: Path) -> None:
    wanted = list_wanted(make_tiny_job(model, PROBLEMS, tmp_path, samples=2))
    assert wanted.select("problem_id", "sample").rows() == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


@given(st.integers(0, 2**40), st.text(max_size=10), st.integers(0, 100), st.integers(0, 8))
def test_seeds_fit_into_31_bits(model: Path, seed: int, problem: str, sample: int, rank: int) -> None:
    job = make_tiny_job(model, PROBLEMS, model / "job").model_copy(update={"seed": seed})
    assert 0 <= derive_seed(job, {"problem_id": problem, "sample": sample}, rank) < 2**31


def test_engines_side_by_side_and_later_samples_have_seeds_of_their_own(model: Path, tmp_path: Path) -> None:
    job = make_tiny_job(model, PROBLEMS, tmp_path)
    first = [{"problem_id": "a", "sample": number} for number in (0, 16)]
    assert len({derive_seed(job, sample, rank) for sample in first for rank in range(3)}) == 2 * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 64},
        {"budgets": (32,)},
        {"engines": 2},
        {"engine": {"arguments": {"dtype": "float32", "max_num_seqs": 8, "gpu_memory_utilization": 0.5}}},
    ],
    ids=["samples", "budgets", "engines", "memory"],
)
def test_samples_are_kept_when_what_does_not_decide_them_changes(model: Path, tmp_path: Path, settings: dict) -> None:
    jobs = [make_tiny_job(model, PROBLEMS, tmp_path, **each) for each in ({}, settings)]
    assert jobs[0].fingerprint == jobs[1].fingerprint


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1},
        {"temperature": 0.6},
        {"token_budget": 65},
        {"engine": {"arguments": {"dtype": "bfloat16"}}},
    ],
    ids=["seed", "temperature", "budget", "dtype"],
)
def test_samples_are_others_when_what_decides_them_changes(model: Path, tmp_path: Path, settings: dict) -> None:
    jobs = [make_tiny_job(model, PROBLEMS, tmp_path, **each) for each in ({}, settings)]
    assert jobs[0].fingerprint != jobs[1].fingerprint

"""Whatever happens around a question, it is answered, typed and in time."""

import logging
from pathlib import Path

import polars as pl
import pytest
from chaos import FAULTS, play


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Thousands of faults are logged; a failing test shows its own."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def check(submission: pl.DataFrame, questions: int) -> None:
    assert submission.schema == {"id": pl.String, "answer": pl.Int64}
    assert sorted(submission["id"]) == sorted(f"q{index}" for index in range(questions))
    assert submission["answer"].is_between(0, 999).all()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_contest_in_which_one_thing_goes_wrong_again_and_again_is_answered(tmp_path: Path, fault: str) -> None:
    # Without losses there is one start alone.
    faults = [fault, "death"] if fault == "failed start" else [fault]
    submission, late, weather = play(tmp_path, seed=1, share=0.3, questions=20, faults=faults)
    check(submission, 20)
    assert late < 1.0
    assert weather.struck[fault] > 0


@pytest.mark.parametrize("seed", range(5))
def test_contests_in_which_anything_goes_wrong_are_answered(tmp_path: Path, seed: int) -> None:
    submission, late, weather = play(tmp_path, seed, share=0.05)
    check(submission, 50)
    assert late < 1.0
    assert weather.struck


def test_without_faults_every_answer_is_the_samples_own(tmp_path: Path) -> None:
    submission, _, weather = play(tmp_path, seed=0, share=0.0)
    assert set(submission["answer"]) == {7}
    assert not weather.struck


def test_most_answers_survive_faults_in_one_sample_of_twenty(tmp_path: Path) -> None:
    submission, _, _ = play(tmp_path, seed=1, share=0.05, seconds=5.0)
    assert (submission["answer"] == 7).sum() >= 40

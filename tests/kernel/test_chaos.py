"""Whatever happens around a question, it is answered, typed and in time: on virtual time and on real time."""

import logging
from pathlib import Path

import pytest

from helpers.chaos import FAULTS, LOAD_FAULTS
from helpers.chaos_contest import AMPLE, Outcome, easy_questions, full_vote, play, recorded_questions

LATE_STARTERS = {*LOAD_FAULTS, "slow kill", "failed kill"}
"""Faults of an engine's start and end, of which there is one alone unless engines are lost."""


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Thousands of faults are logged; a failing test shows its own."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


BUSY_SECONDS = 20.0
"""What a machine with other work may add to real seconds; what waits for a lost sample or engine waits for good."""


def check(outcome: Outcome, ids: list[str], is_fake: bool = True) -> None:
    seconds = 1.0 if is_fake else BUSY_SECONDS
    assert outcome.is_whole(ids)
    assert outcome.late < seconds
    assert outcome.over < seconds
    assert outcome.idle < seconds
    assert outcome.disk_agrees
    assert outcome.children == 0
    if is_fake:  # in real time a call has less than the half second for which an event loop is waited
        assert outcome.call < 1.0


@pytest.mark.parametrize("is_fake", [True, False], ids=["virtual time", "real time"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_contest_in_which_one_thing_goes_wrong_again_and_again_is_answered(
    tmp_path: Path, fault: str, is_fake: bool
) -> None:
    faults = [fault, "death"] if fault in LATE_STARTERS else [fault]
    questions = easy_questions(20)
    limit = 600.0 if is_fake else 2.0
    outcome = play(tmp_path, questions, 1, 0.4, limit, is_fake, faults)
    check(outcome, list(questions), is_fake)
    assert outcome.struck[fault] > 0


@pytest.mark.parametrize("limit", [600.0, 2500.0, AMPLE])
@pytest.mark.parametrize("seed", range(5))
def test_recorded_contests_in_which_anything_goes_wrong_are_answered(tmp_path: Path, seed: int, limit: float) -> None:
    questions = recorded_questions(seed)
    outcome = play(tmp_path, questions, seed, share=0.05, limit=limit)
    check(outcome, list(questions))
    assert outcome.struck


@pytest.mark.parametrize("seed", range(3))
def test_contests_on_real_time_in_which_anything_goes_wrong_are_answered(tmp_path: Path, seed: int) -> None:
    questions = easy_questions()
    outcome = play(tmp_path, questions, seed, share=0.05, limit=2.0, is_fake=False)
    check(outcome, list(questions), is_fake=False)
    assert outcome.struck


@pytest.mark.parametrize("seed", range(5))
def test_without_faults_every_answer_is_the_vote_of_the_recorded_samples(tmp_path: Path, seed: int) -> None:
    questions = recorded_questions(seed)
    outcome = play(tmp_path, questions, seed, share=0.0, limit=AMPLE, policy="full")
    assert dict(outcome.submission.iter_rows()) == {name: full_vote(asked) for name, asked in questions.items()}
    assert not outcome.struck


@pytest.mark.parametrize("is_fake", [True, False], ids=["virtual time", "real time"])
def test_without_faults_every_answer_is_the_samples_own(tmp_path: Path, is_fake: bool) -> None:
    outcome = play(tmp_path, easy_questions(), 0, share=0.0, limit=AMPLE if is_fake else 20.0, is_fake=is_fake)
    assert set(outcome.submission["answer"]) == {7}


def test_a_virtual_contest_goes_the_same_way_every_time(tmp_path: Path) -> None:
    first, second = (play(tmp_path / name, easy_questions(), 3, 0.05, limit=600.0) for name in "ab")
    assert first.submission.equals(second.submission)
    assert (first.late, first.over, first.struck) == (second.late, second.over, second.struck)
    assert (first.idle, first.call) == (second.idle, second.call)


def test_most_answers_survive_faults_in_one_sample_of_twenty(tmp_path: Path) -> None:
    outcome = play(tmp_path, easy_questions(), 1, share=0.05, limit=AMPLE)
    assert (outcome.submission["answer"] == 7).sum() >= 45

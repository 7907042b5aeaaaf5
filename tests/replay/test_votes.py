"""Recorded votes: what a file may hold, and what is drawn from it."""

import gzip
import json
import random
from pathlib import Path

import pytest

from fastmath.answers.contests import CONTESTS
from fastmath.replay.votes import VotesFileError, draw_contest, draw_samples, read_votes

ROW = {"id": "a", "gold": "025", "model": "m", "answers": ["25", "", "x", "27.0"], "tokens": [10, 20, 30, 40]}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "votes.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_answers_are_read_as_in_the_contest(tmp_path: Path) -> None:
    (recording,) = read_votes(write(tmp_path, ROW))
    assert (recording.gold, [sample.answer for sample in recording.samples]) == (25, [25, None, None, 27])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "no valid JSON"),
        ([1], "a list; want one object"),
        ({name: value for name, value in ROW.items() if name != "tokens"}, "'tokens' is missing"),
        (ROW | {"answers": "25"}, "'answers' is a str; want a list"),
        (ROW | {"tokens": [1]}, "4 answers and 1 token counts"),
        (ROW | {"answers": [], "tokens": []}, "0 answers and 0 token counts"),
        (ROW | {"tokens": [1, 2, 3, -4]}, "a sample of -4 tokens"),
        (ROW | {"tokens": [1, 2, 3, "4"]}, "a sample of '4' tokens"),
        (ROW | {"gold": "x"}, "the gold answer 'x'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: object, complaint: str) -> None:
    with pytest.raises(VotesFileError, match=f"line 2: .*{complaint}"):
        read_votes(write(tmp_path, ROW, line))


@pytest.mark.parametrize(("profile", "gold", "vote"), [("aimo1", 720, 25), ("aimo3", 70_720, 1025)])
def test_golds_and_votes_are_read_by_the_rules_of_the_contest(tmp_path, profile, gold, vote) -> None:
    # 70720 modulo 1000 is 720, and 1025 is 25.
    (recording,) = read_votes(
        write(tmp_path, ROW | {"gold": "70720", "answers": ["1025"], "tokens": [1]}), profile=CONTESTS[profile]
    )
    assert (recording.gold, recording.samples[0].answer) == (gold, vote)


def test_a_gold_of_another_contest_is_refused_with_the_contests_that_it_fits(tmp_path) -> None:
    with pytest.raises(VotesFileError, match=r"from 0 to 999; it is one of aimo1 and aimo3 \(--profile\)"):
        read_votes(write(tmp_path, ROW | {"gold": "70720"}))


def test_an_unknown_model_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(VotesFileError, match="no question of n; want one of m"):
        read_votes(write(tmp_path, ROW), model="n")


def test_a_gzipped_file_is_read_like_any_other(tmp_path: Path) -> None:
    plain = write(tmp_path, ROW)
    packed = tmp_path / "votes.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_votes(packed) == read_votes(plain)


def test_a_gzipped_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    packed = tmp_path / "votes.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(ROW).encode())[:-9])
    with pytest.raises(VotesFileError, match=r"votes\.jsonl\.gz cannot be read"):
        read_votes(packed)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VotesFileError, match=r"nothing\.jsonl cannot be read"):
        read_votes(tmp_path / "nothing.jsonl")


def test_more_samples_than_recorded_are_refused(tmp_path: Path) -> None:
    (recording,) = read_votes(write(tmp_path, ROW))
    with pytest.raises(VotesFileError, match="has 4 recorded samples; want at least the 5"):
        draw_samples(recording, 5, random.Random(0))


def test_samples_are_drawn_without_replacement(tmp_path: Path) -> None:
    (recording,) = read_votes(write(tmp_path, ROW))
    drawn = draw_samples(recording, 4, random.Random(0))
    assert sorted(sample.tokens for sample in drawn.samples) == [10, 20, 30, 40]


def test_a_contest_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    rows = read_votes(write(tmp_path, ROW, ROW | {"id": "b"}))
    assert draw_contest(rows, 3, samples=2) == draw_contest(rows, 3, samples=2)

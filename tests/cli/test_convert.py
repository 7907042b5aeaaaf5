"""`fastmath convert`: samples of one format become those of another, and what cannot be is refused with exit code 2."""

import json

from fastmath.evaluation.formats.reading import read_samples_table
from fastmath.replay.votes import read_votes
from helpers.command import fastmath
from helpers.sample_tables import PROBLEMS, SAMPLES

VOTES = [
    {"id": "p", "gold": "7", "model": model, "answers": [answer, ""], "tokens": [5, 9]}
    for model, answer in (("m", "7"), ("n", "8"))
]


def write_votes(folder):
    path = folder / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in VOTES))
    return path


def test_samples_of_a_run_become_files_of_nemo_skills(tmp_path):
    SAMPLES.write_parquet(tmp_path / "sft.parquet")
    PROBLEMS.write_parquet(tmp_path / "test.parquet")
    arguments = ("--to", "nemo-skills", "--problems", str(tmp_path / "test.parquet"))
    finished = fastmath("convert", str(tmp_path / "sft.parquet"), str(tmp_path / "out"), *arguments)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == f"{tmp_path / 'out'} holds the samples of sft.parquet as nemo-skills"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["output-rs0.jsonl", "output-rs1.jsonl"]


def test_the_votes_of_one_model_become_samples(tmp_path):
    out = tmp_path / "folder" / "out.parquet"
    finished = fastmath("convert", str(write_votes(tmp_path)), str(out), "--to", "samples", "--model", "n")
    assert finished.returncode == 0, finished.stderr
    assert read_samples_table(out)["answer"].to_list() == ["8", None]


def test_votes_are_written_under_the_models_name_and_can_be_replayed(tmp_path):
    out = tmp_path / "out.jsonl"
    finished = fastmath("convert", str(write_votes(tmp_path)), str(out), "--to", "votes", "--model", "m")
    assert finished.returncode == 0, finished.stderr
    assert [(row.id, row.model, row.gold) for row in read_votes(out)] == [("p", "m", 7)]


def test_several_models_without_a_choice_end_with_2_and_are_listed(tmp_path):
    finished = fastmath("convert", str(write_votes(tmp_path)), str(tmp_path / "out"), "--to", "boinf")
    assert finished.returncode == 2
    assert "holds 2 models: m, n; want one of them (--model, or PATH:MODEL to compare)" in finished.stderr


def test_samples_without_problems_end_with_2_and_name_the_option(tmp_path):
    SAMPLES.write_parquet(tmp_path / "sft.parquet")
    finished = fastmath("convert", str(tmp_path / "sft.parquet"), str(tmp_path / "out.jsonl"), "--to", "votes")
    assert finished.returncode == 2
    assert "--problems" in finished.stderr


def test_an_unknown_format_ends_with_2_and_the_nearest(tmp_path):
    finished = fastmath("convert", str(write_votes(tmp_path)), str(tmp_path / "out"), "--to", "lmeval")
    assert (finished.returncode, "did you mean 'lm-eval'" in finished.stderr) == (2, True), finished.stderr

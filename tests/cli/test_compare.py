"""`fastmath compare`: what it takes for a model, what it prints, and how it refuses."""

import json
from pathlib import Path

import polars as pl
import pytest

from fastmath.cli.compare import find_source, read_source
from fastmath.data.held_out import HELD_OUT_SCHEMA
from fastmath.recipe.errors import SettingsError
from fastmath.sampling.samples import SAMPLE_SCHEMA
from helpers.command import fastmath


def write_samples(path: Path, right: int) -> None:
    """Two samples for each of ten problems; `right` problems have one right sample, the others none."""
    rows = [
        (f"p{index}", sample, None, "7" if won else "5", won, 40, 35, "stop", 1)
        for index in range(10)
        for sample, won in enumerate((index < right, False))
    ]
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row").write_parquet(path)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with samples of two models, and the problems that they were asked."""
    write_samples(tmp_path / "evaluate" / "samples-sft.parquet", 2)
    write_samples(tmp_path / "evaluate" / "samples-grpo.parquet", 8)
    problems = [(f"p{index}", "?", 7, "chain", "easy" if index < 8 else "hard") for index in range(10)]
    (tmp_path / "build_data").mkdir()
    table = pl.DataFrame(problems, schema=HELD_OUT_SCHEMA, orient="row")
    table.write_parquet(tmp_path / "build_data" / "test.parquet")
    return tmp_path


def write_votes(path: Path) -> None:
    rows = [
        {"id": "p0", "gold": "7", "model": model, "answers": answers, "tokens": [3, 4]}
        for model, answers in (("small", ["5", ""]), ("large", ["7.0", "5"]))
    ]
    path.write_text("\n".join(map(json.dumps, rows)))


def test_models_of_a_run_are_named_alone(run_dir: Path) -> None:
    finished = fastmath("compare", "sft", "grpo", "--run-dir", str(run_dir), "--json")
    found = json.loads(finished.stdout)
    # six of ten problems rise from 0 to 1/2
    assert (found["pass@1"]["difference"], found["pass@1"]["problems"]) == (pytest.approx(0.3), 10)
    # of the eight easy ones six
    assert found["groups"]["difficulty"]["easy"]["pass@1"]["difference"] == pytest.approx(6 / 8 / 2)


def test_a_run_and_a_file_of_samples_are_the_same_model(run_dir: Path) -> None:
    samples = run_dir / "evaluate" / "samples-sft.parquet"
    finished = fastmath("compare", f"{run_dir}:sft", str(samples), "--json", "--k", "1")
    found = json.loads(finished.stdout)
    assert (found["pass@1"]["difference"], set(found["groups"])) == (0.0, {"family", "difficulty"})
    assert "majority@1" in found


def test_problems_beside_the_samples_say_their_kinds(run_dir: Path) -> None:
    pl.DataFrame({"id": ["p0", "p1"], "set": ["aime", "amc"]}).write_parquet(run_dir / "evaluate" / "problems.parquet")
    finished = fastmath("compare", "sft", "grpo", "--run-dir", str(run_dir), "--json")
    assert list(json.loads(finished.stdout)["groups"]["set"]) == ["aime", "amc"]


def test_recorded_votes_are_compared_without_groups(tmp_path: Path) -> None:
    write_votes(tmp_path / "votes.jsonl")
    finished = fastmath("compare", f"{tmp_path}/votes.jsonl:small", f"{tmp_path}/votes.jsonl:large", "--json")
    found = json.loads(finished.stdout)
    assert (found["pass@1"]["difference"], found["groups"]) == (pytest.approx(1 / 2), {})


def test_a_table_sentences_and_groups_are_printed(run_dir: Path) -> None:
    finished = fastmath("compare", "sft", "grpo", "--run-dir", str(run_dir))
    assert finished.returncode == 0, finished.stderr
    table, sentences, family, difficulty, _ = finished.stdout.split("\n\n")[1:]
    assert table.splitlines()[2].startswith("| pass@1 | +0.300 | [")
    assert sentences.splitlines()[0].startswith("pass@1 rises by 0.300 [")
    assert [part.splitlines()[0].split(" | ")[0] for part in (family, difficulty)] == ["| family", "| difficulty"]


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ("grop", "A, the model of RUN, is 'grop'; did you mean 'grpo'?"),
        ("RUN:spt", "A, the model of RUN, is 'spt'; did you mean 'sft'?"),
        ("RUN", "A is the folder RUN; want RUN:MODEL, one of grpo, sft"),
        ("RUN/none.parquet", "there is no RUN/none.parquet; want a file of samples, PATH:MODEL"),
        ("none:sft", "A is 'none:sft', and there is no none; want a file of samples"),
        ("RUN/build_data:sft", "A: RUN/build_data has no samples; want a run whose stage 'evaluate'"),
        ("RUN/votes.jsonl", "holds 2 models: small, large; want one of them (--model, or PATH:MODEL to compare)"),
        ("RUN/votes.jsonl:smal", "did you mean 'small'?"),
    ],
    ids=["model", "run:model", "folder", "file", "path", "no samples", "votes", "model of votes"],
)
def test_what_is_not_there_is_refused_with_what_is(run_dir: Path, a: str, message: str) -> None:
    write_votes(run_dir / "votes.jsonl")
    with pytest.raises(SettingsError) as refused:
        read_source(find_source("A", a.replace("RUN", str(run_dir)), run_dir))
    assert message.replace("RUN", str(run_dir)) in str(refused.value)


def test_models_without_a_problem_in_common_end_with_2(run_dir: Path) -> None:
    path = run_dir / "evaluate" / "samples-grpo.parquet"
    pl.read_parquet(path).with_columns(problem_id="q" + pl.col("problem_id")).write_parquet(path)
    finished = fastmath("compare", "sft", "grpo", "--run-dir", str(run_dir))
    assert (finished.returncode, "no problem stands in both" in finished.stderr) == (2, True)


def test_a_model_without_a_run_ends_with_2() -> None:
    finished = fastmath("compare", "sft", "grpo")
    assert (finished.returncode, "--run-dir is missing" in finished.stderr) == (2, True)


def test_problems_with_different_numbers_of_samples_are_refused(run_dir: Path) -> None:
    path = run_dir / "evaluate" / "samples-sft.parquet"
    pl.read_parquet(path).head(19).write_parquet(path)
    with pytest.raises(SettingsError, match=r"problems have \[1, 2\] samples"):
        read_source(find_source("A", "sft", run_dir))

"""`fastmath evaluate`: what it refuses before anything starts, and a real evaluation that grows."""

import json
from pathlib import Path

import polars as pl
import pytest

from helpers.command import fastmath
from helpers.tiny_jobs import make_tiny_model

TINY = (
    *("--recipe", "nano", "--set", "evaluate.token_budget=64", "--set", "evaluate.engine.arguments.max_model_len=256"),
    *("--set", "evaluate.engine.environment.VLLM_CPU_OMP_THREADS_BIND=nobind", "--set", "evaluate.engines=1"),
    *("--budgets", "48,32"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and two sets, one of integers in JSONL and one of other answers in CSV."""
    folder = tmp_path_factory.mktemp("place")
    problems = make_tiny_model(folder / "model")
    problems.head(2).write_ndjson(folder / "integers.jsonl")
    pl.DataFrame({"question": ["1+1"], "solution_answer": [2]}).write_csv(folder / "columns.csv")
    problems.tail(2).with_columns(answer=pl.Series([r"\frac{1}{2}", "x + 1"])).write_csv(folder / "others.csv")
    return folder


@pytest.mark.parametrize(
    ("model", "problems", "message"),
    [
        ("model", "integers.jsonl", "--model 'model' names no model; want NAME=FOLDER"),
        ("a b=model", "integers.jsonl", "`evaluate.models` has 'a b'; want names of letters"),
        ("mine=modle", "integers.jsonl", "there is no folder"),
        ("mine=me/mine", "integers.jsonl", "the Hub model me/mine is pinned to no commit"),
        ("mine=model", "integrs.jsonl", "`evaluate.sets`: there is no file"),
        (
            "mine=model",
            "columns.csv",
            "no answer, problem; found question, solution_answer; want columns of these names",
        ),
        ("mine=model", "hf://datasets/me/mine/test.jsonl", "the Hub dataset me/mine is pinned to no commit"),
    ],
    ids=["form", "name", "folder", "hub", "file", "columns", "hub file"],
)
def test_what_cannot_be_evaluated_ends_with_2_and_is_named(
    place: Path, model: str, problems: str, message: str
) -> None:
    name, equals, path = model.partition("=")
    model = f"{name}{equals}{place / path}" if path in ("model", "modle") else model
    problems = problems if problems.startswith("hf:") else str(place / problems)
    folder = place / "refused"
    finished = fastmath("evaluate", "--model", model, "--problems", problems, "--run-dir", str(folder), *TINY)
    assert (finished.returncode, message in finished.stderr) == (2, True), finished.stderr
    assert not folder.exists()


def test_budgets_beyond_the_samples_are_refused(place: Path) -> None:
    named = ("--model", f"mine={place / 'model'}", "--problems", str(place / "integers.jsonl"))
    finished = fastmath("evaluate", *named, *TINY, "--budgets", "65", "--run-dir", str(place / "refused"))
    assert "`evaluate.budgets` has 65, and samples end at `evaluate.token_budget` 64" in finished.stderr


@pytest.mark.slow
def test_models_and_sets_are_evaluated_and_more_of_them_add_to_what_is_there(place: Path) -> None:
    run = ("--run-dir", str(place / "run"), *TINY)
    first = ("--model", f"one={place / 'model'}", "--problems", str(place / "integers.jsonl"))
    finished = fastmath("evaluate", *first, "--samples", "2", *run, "--json")
    assert finished.returncode == 0, finished.stderr
    assert [model["name"] for model in json.loads(finished.stdout)["models"]] == ["one"]
    before = pl.read_parquet(place / "run" / "evaluate" / "samples-one.parquet")
    assert before.height == 2 * 2

    second = ("--model", f"two={place / 'model'}", "--problems", str(place / "others.csv"))
    finished = fastmath("evaluate", *first, *second, "--samples", "3", *run)
    assert finished.returncode == 0, finished.stderr
    assert [line for line in finished.stdout.splitlines() if line.startswith("#")] == [
        "## integers",
        "## others",
        "## All sets together",
        "### one → two",
    ]
    after = pl.read_parquet(place / "run" / "evaluate" / "samples-one.parquet")
    assert after.height == 4 * 3
    assert after.join(before, on=["problem_id", "sample", "text", "seed"]).height == before.height
    report = json.loads((place / "run" / "report.json").read_text())
    assert [budget["token_budget"] for budget in report["models"][1]["budgets"]] == [64, 48, 32]

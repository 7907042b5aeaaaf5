"""The kernel's notebook, executed whole at a tiny size: a random model cannot be right, but must answer everything."""

import json
from pathlib import Path

import papermill
import polars as pl
import pytest

from fastmath.config import NanoModelSettings
from fastmath.data.nano import NanoSettings, generate_rows
from fastmath.recipes import REPOSITORY_FOLDER
from fastmath.training.nano_model import make_base_model

NOTEBOOK = REPOSITORY_FOLDER / "inference_kernel" / "kernel.ipynb"
REFERENCE = REPOSITORY_FOLDER.parent / "shared" / "data" / "problems" / "aimo2_reference.csv"
TINY = {
    "kernel.questions": 3,
    "kernel.samples": 4,
    "kernel.waves": [2, 2],
    "kernel.token_budget": 8,
    "kernel.engine.arguments": {"dtype": "float32", "max_model_len": 512, "enforce_eager": True, "max_num_seqs": 8},
}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run folder whose earlier stages have finished with a random model."""
    rows = list(generate_rows("test", NanoSettings(5)))
    for stage in ("build_data", "quantize_awq"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "manifest.json").write_text('{"status": "done"}')
    settings = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=512, vocabulary_size=320)
    texts = [str(row["problem"]) for row in rows]
    make_base_model(tmp_path / "quantize_awq" / "model", settings, texts, seed=0)
    problems = {
        "id": [str(row["uuid"]) for row in rows],
        "problem": [str(row["problem"]) for row in rows],
        "answer": [int(str(row["answer"])) for row in rows],
    }
    pl.DataFrame(problems).write_parquet(tmp_path / "build_data" / "test.parquet")
    return tmp_path


def execute(run_dir: Path, **parameters: object) -> Path:
    papermill.execute_notebook(
        str(NOTEBOOK),
        str(run_dir / "kernel.ipynb"),
        parameters={"recipe": "nano", "run_dir": str(run_dir), **parameters},
        cwd=str(REPOSITORY_FOLDER),
        progress_bar=False,
    )
    return run_dir / "kernel"


def test_contest_of_a_run_answers_every_question(run_dir: Path) -> None:
    folder = execute(run_dir, overrides=TINY)
    report = json.loads((folder / "report.json").read_text())
    assert report["questions"] == len((folder / "questions.jsonl").read_text().splitlines()) == 3
    assert 0 < report["tokens"] <= report["tokens_full_vote"] <= 3 * 4 * 8
    assert report["limit_seconds"] < report["seconds_full_vote"]
    assert (folder / "questions.png").exists()


@pytest.mark.skipif(not REFERENCE.exists(), reason=f"{REFERENCE} is not there")
def test_reference_problems_get_int64_answers(run_dir: Path) -> None:
    overrides = TINY | {"kernel.limit_seconds": 30.0, "kernel.engine.arguments.max_model_len": 512}
    folder = execute(run_dir, questions=str(REFERENCE), overrides=overrides)
    submission = pl.read_parquet(folder / "submission.parquet")
    assert submission.schema == {"id": pl.String, "answer": pl.Int64}
    assert sorted(submission["id"]) == sorted(pl.read_csv(REFERENCE, schema_overrides={"id": pl.String})["id"])

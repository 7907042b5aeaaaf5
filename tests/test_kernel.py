"""The kernel's notebook on the competition's own reference problems, with the quantised model of the tiny run."""

import shutil

import papermill
import polars as pl

from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.runs.pipeline import NOTEBOOKS
from helpers.files import FIXTURES, SHARED
from helpers.tiny_recipe import TINY

REAL = SHARED / "problems" / "aimo2_reference.csv"
REFERENCE = REAL if REAL.exists() else FIXTURES / "questions.csv"
"""The competition's own, where they are at hand."""


def test_reference_problems_get_int64_answers(tiny_run, tmp_path):
    for stage in ("build_data", "quantize_awq"):
        shutil.copytree(tiny_run[0] / stage, tmp_path / stage)
    papermill.execute_notebook(
        str(REPOSITORY_FOLDER / NOTEBOOKS["kernel"]),
        str(tmp_path / "kernel.ipynb"),
        parameters={
            "recipe": "nano",
            "run_dir": str(tmp_path),
            "questions": str(REFERENCE),
            "overrides": TINY | {"kernel.limit_seconds": 30.0},
        },
        cwd=str(REPOSITORY_FOLDER),
        progress_bar=False,
    )
    submission = pl.read_parquet(tmp_path / "kernel" / "submission.parquet")
    asked = pl.read_csv(REFERENCE, schema_overrides={"id": pl.String})
    assert dict(submission.schema) == {"id": pl.String, "answer": pl.Int64}
    assert sorted(submission["id"]) == sorted(asked["id"])
    assert submission["answer"].is_between(0, 999).all()

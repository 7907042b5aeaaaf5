"""A run that has been evaluated, made of written samples."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from fastmath.data.held_out import HELD_OUT_SCHEMA
from fastmath.evaluation.models import samples_path
from fastmath.recipe.sections import Recipe
from fastmath.sampling.samples import SAMPLE_SCHEMA

KERNEL = {
    "questions": 50,
    "answered": 50,
    "correct": 48,
    "seconds": 20.0,
    "limit_seconds": 30.0,
    "tokens": 10_000,
    "tokens_full_vote": 40_000,
}


def make_recipe(**evaluate: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "seed": 3,
            "model": {"name": "nano", "nano": {}},
            "data": {"sources": [{"name": "nano", "kind": "nano"}]},
            "sft": {},
            "grpo": {"rewards": [{"name": "cosine"}]},
            "quantize": {},
            "evaluate": {"samples": 2, "token_budget": 100, **evaluate},
            "kernel": {},
        }
    )


def write_samples(run_dir: Path, model: str, lengths: list[int]) -> None:
    """Two samples a problem, the first right and the second without an answer."""
    rows = []
    for index, length in enumerate(lengths):
        rows.append((f"p{index}", 0, "so \\boxed{7}.\n</think>", "7", True, length, length - 5, "stop", 1))
        rows.append((f"p{index}", 1, "so", None, False, length, length, "stop", 2))
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row").write_parquet(samples_path(run_dir, model))


def write_evaluated_run(tmp_path: Path, **evaluate: Any) -> Path:
    """A run whose SFT model needs 40 and 60 tokens for its two problems, and whose GRPO model 20 and 30."""
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "config.yaml").write_text(yaml.safe_dump(make_recipe(**evaluate).model_dump(mode="json")))
    manifests: dict[str, dict[str, Any]] = {
        "sft": {"seconds": 12.5, "peak_memory_gib": 1.5},
        "grpo": {"seconds": 8.0, "peak_memory_gib": 2.5},
        "evaluate": {"seconds": 3.0, "git": {"commit": "abc", "dirty": False}},
        "kernel": {"status": "running"},
    }
    for stage, manifest in manifests.items():
        (tmp_path / stage).mkdir(exist_ok=True)
        (tmp_path / stage / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "build_data").mkdir()
    problems = [("p0", "?", "7", "chain", "easy"), ("p1", "?", "7", "count", "hard")]
    table = pl.DataFrame(problems, schema=HELD_OUT_SCHEMA, orient="row")
    table.write_parquet(tmp_path / "build_data" / "test.parquet")
    write_samples(tmp_path, "sft", [40, 60])
    write_samples(tmp_path, "grpo", [20, 30])
    return tmp_path

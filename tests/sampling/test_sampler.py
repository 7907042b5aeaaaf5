"""Sampling with an engine that is loaded already, as the validation of a training does it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastmath.recipe.inference import EvaluateSettings
from fastmath.sampling.processes import process_environment
from helpers.tiny_jobs import ENGINE, make_tiny_model

CODE = """
import json, sys
from pathlib import Path
import polars as pl
from fastmath.engine.batch import BatchEngine
from fastmath.engine.drawing import Drawing
from fastmath.recipe.inference import EngineSettings
from fastmath.sampling.sampler import sample_problems

problems = pl.read_parquet(sys.argv[2])
with BatchEngine.load(Path(sys.argv[1]), EngineSettings(arguments=json.loads(sys.argv[3])), seed=0) as loaded:
    engine = BatchEngine(loaded._llm, loaded.tokenizer)  # as around the engine of a training
    drawing = Drawing(token_budget=40, temperature=1.0, top_p=1.0, min_p=0.0, end="think_end")
    first, later = (sample_problems(engine, problems, 3, drawing, None, "reasoning") for _ in range(2))
    generator = engine.draw([[5, 6]] * 4, drawing)
    next(generator)
    generator.close()  # the samples that nobody wants any more
    left = loaded._llm.llm_engine.has_unfinished_requests()
    del engine
print(json.dumps({"first": first.to_dicts(), "same": first.equals(later), "left": left}))
"""


@pytest.mark.slow
def test_an_engine_that_is_there_samples_problems_in_order_and_again(tmp_path: Path) -> None:
    problems = make_tiny_model(tmp_path / "model")
    problems.write_parquet(tmp_path / "problems.parquet")
    environment = process_environment(EvaluateSettings(engine=ENGINE), 0)
    arguments = [str(tmp_path / "model"), str(tmp_path / "problems.parquet"), json.dumps(ENGINE["arguments"])]
    finished = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, env=os.environ | environment
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    result = json.loads(finished.stdout.splitlines()[-1])
    keys = [(row["problem_id"], row["sample"]) for row in result["first"]]
    assert keys == [(name, number) for name in problems["id"] for number in range(3)]
    assert all(1 <= row["tokens"] <= 40 for row in result["first"])
    assert not result["same"]  # other random numbers
    assert not result["left"]

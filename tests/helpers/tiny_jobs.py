"""Sampling jobs on an untrained model of 0.1M parameters, whose samples end at random."""

from pathlib import Path
from typing import Any

import polars as pl
from transformers import AutoTokenizer, GenerationConfig

from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.inference import EvaluateSettings, ReadingSettings
from fastmath.recipe.sections import NanoModelSettings
from fastmath.sampling.jobs import SamplingJob, make_job

ENGINE = {
    "arguments": {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 64},
    "environment": {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"},
}


def make_tiny_model(folder: Path, problems: int = 4) -> pl.DataFrame:
    """Make the model in `folder`, and return problems of the embedded task, `id, problem, answer`."""
    rows = list(generate_rows("test", NanoDataSettings(), problems))
    settings = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=256, vocabulary_size=320)
    make_base_model(folder, settings, [str(row["problem"]) for row in rows], seed=0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ends = [tokenizer.convert_tokens_to_ids("</think>"), tokenizer.eos_token_id]
    GenerationConfig(eos_token_id=ends).save_pretrained(folder)
    table = [(row["uuid"], row["problem"], str(row["answer"])) for row in rows]
    return pl.DataFrame(table, schema=["id", "problem", "answer"], orient="row")


def make_tiny_job(model: Path, problems: pl.DataFrame, folder: Path, seed: int = 0, **settings: Any) -> SamplingJob:
    """The job that samples `problems`, 8 samples of up to 64 tokens each, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    problems.write_parquet(folder / "problems.parquet")
    evaluate = EvaluateSettings(**{"samples": 8, "token_budget": 64, "engine": ENGINE} | settings)
    destination = folder / "samples-tiny.parquet"
    return make_job("tiny", model, folder / "problems.parquet", evaluate, ReadingSettings(), None, seed, destination)

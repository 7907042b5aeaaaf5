"""Slow-down of the engine with its batch size: measures the recipe setting `kernel.slowdown` on this machine.

    python benchmarks/slowdown.py --run-dir runs/nano [--rounds 20]

The model: an engine step with b live samples lasts alpha + beta * b seconds, so a batch lasts alpha * steps + beta *
tokens. This is fitted by least squares to batches of 1 to 16 samples of the held-out problems, and alpha / beta is the
slowdown. The last line is one JSON object, with a 95 % bootstrap interval.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from fastmath.contest.assembly import make_sampling
from fastmath.engine.vllm import AsyncEngine, Sampling
from fastmath.prompts import SYSTEM_PROMPTS, render_prompt
from fastmath.recipe.load import load_recipe

BATCHES = (1, 2, 4, 8, 16)
WARM_UP = 3


async def run_batch(engine: AsyncEngine, prompt: list[int], sampling: Sampling, name: str, size: int) -> list[int]:
    """Tokens of each of `size` samples that run side by side."""

    async def draw(sample: int) -> int:
        stream = engine.stream(f"{name}-{sample}", prompt, sampling)
        return sum([len(chunk.token_ids) async for chunk in stream])

    return await asyncio.gather(*(draw(sample) for sample in range(size)))


def measure(engine: AsyncEngine, prompts: list[list[int]], sampling: Sampling, rounds: int) -> np.ndarray:
    """One row a batch: its size, steps, tokens and seconds."""
    rows = []
    for round_ in tqdm(range(-WARM_UP, rounds), unit="round", file=sys.stderr):
        for size in BATCHES:
            prompt = prompts[(round_ + WARM_UP) % len(prompts)]
            began = time.perf_counter()
            tokens = engine.run(run_batch(engine, prompt, sampling, f"{round_}-{size}", size))
            if round_ >= 0:
                rows.append((size, max(tokens), sum(tokens), time.perf_counter() - began))
    return np.array(rows, float)


def fit_slowdown(rows: np.ndarray) -> float:
    """Alpha / beta of seconds = alpha * steps + beta * tokens."""
    (alpha, beta), *_ = np.linalg.lstsq(rows[:, 1:3], rows[:, 3], rcond=None)
    return float(alpha / beta) if beta > 0 else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/nano"))
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe)
    problems = pl.read_parquet(arguments.run_dir / "build_data" / "test.parquet")["problem"].head(50)
    with AsyncEngine(arguments.run_dir / "quantize_awq" / "model", recipe.kernel.engine, recipe.seed) as engine:
        system_prompt = SYSTEM_PROMPTS[recipe.model.system_prompt]
        prompts = [render_prompt(engine.tokenizer, problem, system_prompt) for problem in problems]
        rows = measure(engine, prompts, make_sampling(recipe.kernel), arguments.rounds)
    rng = np.random.default_rng(0)
    drawn = [fit_slowdown(rows[rng.integers(len(rows), size=len(rows))]) for _ in range(500)]
    speeds = {size: rows[rows[:, 0] == size] for size in BATCHES}
    result = {
        "slowdown": round(fit_slowdown(rows), 1),
        "interval": [round(float(value), 1) for value in np.quantile(drawn, [0.025, 0.975])],
        "tokens_per_second": {size: round(float(part[:, 2].sum() / part[:, 3].sum())) for size, part in speeds.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

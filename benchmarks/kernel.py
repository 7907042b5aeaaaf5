"""The kernel on vLLM in real time: the cost of our layer, the delay of a stop, and the answers under a tight limit.

    python benchmarks/kernel.py [--run-dir runs/nano] [--rounds 10] [--seeds 3]

1. Tokens per second over all samples of all questions, through `Driver` and `Solver` and through AsyncLLM alone; the
   two take turns on one engine, question by question. Reported: the median ratio over the rounds and its spread.
2. Seconds from a question's answer to the last token that the engine generated for it, by the engine's own clock.
3. Contests within 1, 1/2, 1/4 and 1/8 of the time that full votes take: right answers by vote of the kernel, through
   the local gateway, and of a full vote that gives every question an even share of the remaining time.

The last line is one JSON object.
"""

import argparse
import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from fastmath.answers.contests import ContestProfile
from fastmath.contest.assembly import build_kernel, make_sampling
from fastmath.contest.gateway import LocalGateway
from fastmath.contest.play import play_full_votes
from fastmath.contest.questions import read_questions
from fastmath.contest.report import count_votes, find_votes
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import AsyncEngine, Sampling
from fastmath.kernel.full_vote import vote_in_full
from fastmath.kernel.journal import read_records
from fastmath.prompts import SYSTEM_PROMPTS, find_ending, render_prompt
from fastmath.recipe.load import load_recipe

SHARES = (1.0, 0.5, 0.25, 0.125)
NOBODY = ContestProfile("nobody", questions=50, limit_seconds=1e9, answer_range=(1, 0), modulus=None)
"""A contest without a valid answer: no vote is ever decided, and every sample runs to its end."""


def name_prompt(recipe: Any) -> str | None:
    """The system prompt of the recipe's contest."""
    return SYSTEM_PROMPTS[recipe.kernel.system_prompt or recipe.model.system_prompt]


async def stream_bare(engine: AsyncEngine, prompt: list[int], name: str, sampling: Sampling, samples: int) -> int:
    """Stream all samples of a question as vLLM's own client would; returns their tokens."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    async def draw(sample: int) -> int:
        parameters = SamplingParams(
            max_tokens=sampling.token_budget,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            **find_ending(engine.tokenizer, sampling.stop).stops,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        outputs = engine._llm.generate({"prompt_token_ids": prompt}, parameters, f"bare-{name}-{sample}")
        return sum([len(output.outputs[0].token_ids) async for output in outputs])

    return sum(await asyncio.gather(*(draw(sample) for sample in range(samples))))


async def stream_driven(engine: AsyncEngine, prompt: list[int], name: str, settings: Any) -> int:
    """The same requests through the kernel's layer."""
    sampling = make_sampling(settings)
    voted = await vote_in_full(engine, prompt, sampling, NOBODY, settings.samples, f"driven-{name}")
    return voted.tokens


def measure_layer(engine: AsyncEngine, prompts: list[list[int]], settings: Any, rounds: int) -> dict[str, Any]:
    """Tokens a second of both, question by question in turn, so that a neighbour on the machine slows both alike."""
    sampling = make_sampling(settings)
    works = {
        "bare": lambda prompt, name: stream_bare(engine, prompt, name, sampling, settings.samples),
        "driven": lambda prompt, name: stream_driven(engine, prompt, name, settings),
    }

    async def play(round_: int) -> dict[str, float]:
        tokens, seconds = dict.fromkeys(works, 0), dict.fromkeys(works, 0.0)
        for index, prompt in enumerate(prompts):
            for name in sorted(works, reverse=(round_ + index) % 2 == 1):
                began = time.perf_counter()
                tokens[name] += await works[name](prompt, f"{round_}-{index}")
                seconds[name] += time.perf_counter() - began
        return {name: tokens[name] / seconds[name] for name in works}

    engine.run(play(0))  # warms up
    rates = [engine.run(play(index)) for index in tqdm(range(1, rounds + 1), desc="layer", file=sys.stderr)]
    ratios = sorted(rate["driven"] / rate["bare"] for rate in rates)
    return {
        "bare_tokens_per_second": round(statistics.median(rate["bare"] for rate in rates)),
        "driven_tokens_per_second": round(statistics.median(rate["driven"] for rate in rates)),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least_and_most": [round(ratios[0], 3), round(ratios[-1], 3)],
    }


def play_kernel(
    recipe: Any, model: Path, engine: AsyncEngine, questions: Path, limit: float, seed: int
) -> tuple[float, list[dict[str, Any]]]:
    """One contest of the kernel: its seconds and its journal."""
    count = pl.read_csv(questions).height
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "questions.jsonl"
        kernel = build_kernel(recipe, model, EngineKeeper(lambda *_: engine), limit, count, journal)
        began = time.monotonic()
        LocalGateway(kernel.predict, seed=seed).run(questions, Path(folder))
        return time.monotonic() - began, read_records(journal)


def measure_limits(
    recipe: Any, model: Path, engine: AsyncEngine, questions: Path, seeds: int
) -> tuple[list[dict[str, Any]], float]:
    """Right answers of both at every share of the full votes' time, which is measured first."""
    asked = read_questions(questions)
    full = play_full_votes(engine, asked, recipe.kernel, name_prompt(recipe))
    points = []
    for share in SHARES:
        limit = share * full.seconds
        ours, theirs, seconds, answered = [], [], [], []
        for seed in tqdm(range(seeds), desc=f"limit {share}", file=sys.stderr):
            taken, records = play_kernel(recipe, model, engine, questions, limit, seed)
            ours.append(count_votes(asked, find_votes(records))["right_by_vote"])
            seconds.append(taken)
            answered.append(sum(record["elapsed_seconds"] <= limit for record in records))
            votes = play_full_votes(engine, asked, recipe.kernel, name_prompt(recipe), limit)
            theirs.append(count_votes(asked, votes.answers)["right_by_vote"])
        points.append(
            {
                "share": share,
                "limit_seconds": round(limit, 2),
                "most_seconds": round(max(seconds), 2),
                "fewest_answered_in_time": min(answered),
                "right": round(statistics.mean(ours), 1),
                "right_even_shares": round(statistics.mean(theirs), 1),
                "right_by_seed": ours,
                "right_even_shares_by_seed": theirs,
            }
        )
    return points, full.seconds


def measure_stops(recipe: Any, model: Path, questions: Path) -> dict[str, Any]:
    """Seconds from an answer that aborts samples to the engine's last token for them.

    With statistics on, vLLM's engine reports after every step how many requests it runs; the last report before it
    falls silent is of its last step. A question that left nothing to abort is not counted.
    """
    with AsyncEngine(model, recipe.kernel.engine, recipe.seed, counted=True) as engine:
        counters = engine.counters
        waits: list[float] = []
        stopped_at = 0.0

        async def abort(identifiers: Any, of: Any = engine.abort) -> None:
            nonlocal stopped_at
            stopped_at = time.monotonic()
            await of(identifiers)

        engine.abort = abort
        full = play_full_votes(engine, read_questions(questions), recipe.kernel, name_prompt(recipe))
        with tempfile.TemporaryDirectory() as folder:
            keeper = EngineKeeper(lambda *_: engine)
            height = pl.read_csv(questions).height
            kernel = build_kernel(recipe, model, keeper, full.seconds, height, Path(folder) / "q.jsonl")

            def predict(*columns: pl.Series) -> pl.DataFrame:
                nonlocal stopped_at
                stopped_at = 0.0
                prediction = kernel.predict(*columns)
                if stopped_at:
                    time.sleep(0.05)  # whatever the engine still makes is made by then
                    waits.append(max(counters.stepped_at - stopped_at, 0.0))
                return prediction

            LocalGateway(predict, seed=0).run(questions, Path(folder))
        return {
            "stops": len(waits),
            "median_seconds_to_last_token": round(statistics.median(waits), 4) if waits else None,
            "most_seconds_to_last_token": round(max(waits), 4) if waits else None,
            "requests_left_in_engine": counters.running,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/nano"))
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    recipe = load_recipe(arguments.recipe, {})
    model = arguments.run_dir / "quantize_awq" / "model"
    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions.csv"
        held_out = pl.read_parquet(arguments.run_dir / "build_data" / "test.parquet").head(50)
        held_out.select("id", "problem", "answer").write_csv(questions)
        with AsyncEngine(model, recipe.kernel.engine, recipe.seed) as engine:
            prompts = [render_prompt(engine.tokenizer, text, name_prompt(recipe)) for text in held_out["problem"]]
            layer = measure_layer(engine, prompts, recipe.kernel, arguments.rounds)
            print(json.dumps(layer), file=sys.stderr)
            points, seconds = measure_limits(recipe, model, engine, questions, arguments.seeds)
            print(json.dumps(points), file=sys.stderr)
        stops = measure_stops(recipe, model, questions)
    print(json.dumps({"layer": layer, "stops": stops, "full_vote_seconds": round(seconds, 2), "limits": points}))


if __name__ == "__main__":
    main()

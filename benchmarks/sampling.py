"""What the layer around vLLM costs an evaluation, and what a busy neighbour costs it.

    python benchmarks/sampling.py --run-dir runs/nano [--pairs 5] [--samples 16]

Two measurements on the run's SFT model and its held-out problems. First, in one process and on one engine, pairs in
turn: bare `LLM.generate`, and the evaluation's own loop with its shards on disk; the figure is the median of the pairs'
ratios. Then the evaluation's processes as recipes set them, alone and beside a process that keeps one core busy: one
engine with a thread a core, the same with threads that wait passively, and one-thread engines side by side. Tokens per
second count from the first sample's start, without the load. Third, how the kernel's engine slows down with its batch,
by `slowdown.py`, which needs the run's AWQ model; `fastmath replay-fit --engine` reads it. The last line is one JSON
object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from neighbour import busy_neighbour

from fastmath.evaluation.models import find_reading
from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.load import load_recipe, override_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.progress import TOKENS_PER_SECOND, read_progress
from fastmath.sampling.jobs import SamplingJob, list_wanted, make_job, read_problems
from fastmath.sampling.processes import ONE_THREAD, PASSIVE_THREADS, process_environment, run_jobs
from fastmath.sampling.sampler import draw_rows, make_drawing
from fastmath.sampling.shards import ShardWriter

THREADS = str(os.cpu_count())
SETTINGS: dict[str, dict[str, Any]] = {
    "one engine, spinning threads": {"OMP_NUM_THREADS": THREADS, "KMP_BLOCKTIME": "200", "OMP_WAIT_POLICY": "active"},
    "one engine, passive threads": {"OMP_NUM_THREADS": THREADS, **PASSIVE_THREADS},
    "one engine, one thread": dict(ONE_THREAD),
    "an engine a core, one thread each": dict(ONE_THREAD),
}


def open_job(run_dir: Path, recipe: Recipe, folder: Path) -> SamplingJob:
    folder.mkdir(parents=True)
    return make_job(
        "sft",
        run_dir / "sft" / "model",
        run_dir / "build_data" / "test.parquet",
        recipe.evaluate,
        find_reading("sft", recipe),
        SYSTEM_PROMPTS[recipe.model.system_prompt],
        recipe.seed,
        folder / "samples-sft.parquet",
    )


def compare_with_bare(job: SamplingJob, pairs: int) -> list[float]:
    """Ours / bare in tokens per second, one ratio a pair; the order of the two changes from pair to pair."""
    from vllm import SamplingParams, TokensPrompt

    from fastmath.engine.batch import BatchEngine
    from fastmath.prompts import find_ending, render_prompt

    problems, wanted = read_problems(job.problems), list_wanted(job)
    drawing = make_drawing(job.settings, job.reading)
    with BatchEngine.load(job.model_folder, job.settings.engine, job.seed) as engine:
        texts = dict(problems.select("id", "problem").iter_rows())
        prompts = [render_prompt(engine.tokenizer, texts[name], job.system_prompt) for name in wanted["problem_id"]]
        asked = [TokensPrompt(prompt_token_ids=prompt) for prompt in prompts]
        parameters = SamplingParams(
            temperature=drawing.temperature,
            top_p=drawing.top_p,
            min_p=drawing.min_p,
            max_tokens=drawing.token_budget,
            skip_special_tokens=False,
            **find_ending(engine.tokenizer, drawing.end).stops,
        )

        def bare() -> float:
            began = time.perf_counter()
            results = engine._llm.generate(asked, parameters, use_tqdm=False)
            return sum(len(result.outputs[0].token_ids) for result in results) / (time.perf_counter() - began)

        def ours() -> float:
            began, tokens = time.perf_counter(), 0
            with tempfile.TemporaryDirectory() as place, ShardWriter(Path(place), job.settings.shard_samples, 0) as out:
                for row in draw_rows(engine, wanted, problems, drawing, job.system_prompt, 0):
                    out.add(row)
                    tokens += row["tokens"]
            return tokens / (time.perf_counter() - began)

        bare()  # warm
        ratios = []
        for pair in range(pairs):
            speeds = {work: work() for work in ((bare, ours) if pair % 2 else (ours, bare))}
            print(f"pair {pair}: bare {speeds[bare]:,.0f}, ours {speeds[ours]:,.0f} tokens/s", file=sys.stderr)
            ratios.append(speeds[ours] / speeds[bare])
        return ratios


def measure_processes(run_dir: Path, recipe: Recipe, name: str, place: Path) -> float:
    """Tokens per second of the evaluation's processes with these settings, all engines together."""
    engines = os.cpu_count() if name.startswith("an engine a core") else 1
    changes: dict[str, Any] = {"evaluate.engines": engines}
    changes["evaluate.engine.environment"] = recipe.evaluate.engine.environment | SETTINGS[name]
    job = open_job(run_dir, override_recipe(recipe, changes), place)
    run_jobs([job], place)
    reports = [read_progress(folder) for folder in sorted((place / "engines").iterdir())]
    return sum(report.figures[TOKENS_PER_SECOND] for report in reports)


def measure_slowdown(run_dir: Path, recipe: str) -> dict[str, Any]:
    """What `slowdown.py` measures, in a process of its own, as its engine has an environment of its own."""
    script = Path(__file__).with_name("slowdown.py")
    command = [sys.executable, str(script), "--run-dir", str(run_dir), "--recipe", recipe]
    measured = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
    )
    return {
        "slowdown": measured["slowdown"],
        "slowdown_interval": measured["interval"],
        "tokens_per_second_by_batch": measured["tokens_per_second"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/nano"))
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=16)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, {"evaluate.samples": arguments.samples})
    # The first measurement runs in this process, whose environment vLLM reads when it is imported.
    os.environ.update(process_environment(recipe.evaluate, 0))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ratios = compare_with_bare(open_job(arguments.run_dir, recipe, place / "bare"), arguments.pairs)
        speeds: dict[str, dict[str, int]] = {}
        for number, name in enumerate(SETTINGS):
            alone = measure_processes(arguments.run_dir, recipe, name, place / f"{number}-alone")
            with busy_neighbour():
                beside = measure_processes(arguments.run_dir, recipe, name, place / f"{number}-beside")
            speeds[name] = {"alone": round(alone), "beside a busy process": round(beside)}
            print(f"{name}: {speeds[name]}", file=sys.stderr)
    result = {"ours_to_bare": round(statistics.median(ratios), 3), "pairs": [round(each, 3) for each in ratios]}
    slowdown = measure_slowdown(arguments.run_dir, arguments.recipe)
    print(json.dumps(result | {"tokens_per_second": speeds} | slowdown))


if __name__ == "__main__":
    main()

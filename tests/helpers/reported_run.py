"""A whole run made of written files, for pages: data, trainings, samples of three models, and a contest."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from fastmath.data.held_out import HELD_OUT_SCHEMA
from fastmath.evaluation.models import samples_path
from fastmath.evaluation.report import build_report
from fastmath.runs.stages import NOTEBOOKS
from fastmath.sampling.samples import SAMPLE_SCHEMA
from helpers.evaluated_run import make_recipe
from helpers.made_training import write_trainings

HOSTILE = "</script><script>window.hostile = true</script><img src=x onerror='window.hostile = true'>"
"""Text that would run if it were markup; it stands in a problem, a sample, a reject and the name of a source."""
PROBLEMS, SAMPLES, BUDGET = 12, 6, 256
MODELS = {"sft": (0.7, 120), "grpo": (0.75, 60), "awq": (0.7, 62)}
"""Model → the chance that a sample of it is right, and its usual length in tokens."""
_FAMILIES = ("chain", "count", "gcd")


def write_reported_run(run_dir: Path, seed: int = 3, steps: int = 60) -> Path:
    """Write a run of all stages; another seed is another training with other samples of the same problems."""
    run_dir.mkdir(parents=True, exist_ok=True)
    recipe = make_recipe(samples=SAMPLES, token_budget=BUDGET).model_dump(mode="json") | {"seed": seed}
    for stage in NOTEBOOKS:
        write_stage(run_dir, stage, recipe)
    write_data(run_dir / "build_data")
    write_trainings(run_dir, steps, seed)
    for model, (chance, tokens) in MODELS.items():
        write_samples(run_dir, model, chance, tokens, seed)
    write_contest(run_dir / "kernel")
    build_report(run_dir)
    return run_dir


def write_stage(run_dir: Path, stage: str, recipe: dict[str, Any]) -> None:
    """The settings and the manifest of a finished stage."""
    folder = run_dir / stage
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    manifest = {
        "stage": stage,
        "status": "done",
        "started": "2026-01-02T03:04:05Z",
        "inputs": {},
        "git": {"commit": "0123456789abcdef0123", "dirty": False},
        "packages": {"torch": "2.13.0"},
        "hardware": {"processor": "made up", "cpus": 2, "memory_gib": 24.0, "gpus": []},
        "seconds": 61.5,
        "peak_memory_gib": 1.5,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def list_problems() -> list[tuple[str, str, str, str, str]]:
    """Held-out problems: id, problem, answer, family and difficulty."""
    rows = []
    for index in range(PROBLEMS):
        text = f"What is {index} + 3?" + (HOSTILE if index == 0 else "")
        rows.append((f"p{index}", text, str(index + 3), _FAMILIES[index % 3], "hard" if index % 4 == 0 else "easy"))
    return rows


def write_data(folder: Path) -> None:
    """What the data stage leaves: the sets, and what became of every row."""
    pl.DataFrame(list_problems(), schema=HELD_OUT_SCHEMA, orient="row").write_parquet(folder / "test.parquet")
    pl.DataFrame({"problem": ["1 + 1?"] * 70, "answer": ["2"] * 70}).write_parquet(folder / "sft.parquet")
    reject = {"source": "nano", "index": 4, "reason": "no correct generation", "detail": "of 2", "excerpt": HOSTILE}
    pl.DataFrame([reject]).write_parquet(folder / "rejects.parquet")
    funnel = {
        "nano": {"rows": 100, "kept": 70, "no correct generation": 10, "outside the rules": 20},
        HOSTILE: {"rows": 10, "kept": 0, "not drawn": 10},
    }
    (folder / "funnel.json").write_text(json.dumps(funnel))


def write_samples(run_dir: Path, model: str, chance: float, tokens: int, seed: int) -> None:
    """Samples that are right, wrong, without an answer, or cut; the first of all holds hostile text."""
    generator = random.Random(f"{model} {seed}")
    rows = []
    for name, problem, gold, _, _ in list_problems():
        for sample in range(SAMPLES):
            length = max(5, int(generator.gauss(tokens, tokens / 4)))
            text, answer, end = _write_sample(generator, problem, gold, chance)
            text = HOSTILE + text if (name, sample) == ("p0", 0) else text
            length = BUDGET if end == "length" else length
            rows.append((name, sample, text, answer, answer == gold, length, length - 3, end, sample))
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row").write_parquet(samples_path(run_dir, model))


def _write_sample(generator: random.Random, problem: str, gold: str, chance: float) -> tuple[str, str | None, str]:
    steps = "\n".join(f"({place}) wait, again: {problem[:20]}" for place in range(1, generator.randint(2, 6)))
    drawn = generator.random()
    if drawn < chance:
        return f"{steps}\nso \\boxed{{{gold}}}.\n</think>", gold, "stop"
    if drawn < chance + 0.15:
        wrong = str(int(gold) + generator.randint(1, 2))
        return f"{steps}\nso \\boxed{{{wrong}}}.\n</think>", wrong, "stop"
    return (f"{steps}\nno idea\n</think>", None, "stop") if drawn < chance + 0.2 else (steps, None, "length")


def write_contest(folder: Path) -> None:
    """A contest of the first eight problems: its questions, its journal and its report."""
    asked = list_problems()[:8]
    with (folder / "questions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "problem", "answer"), *(row[:3] for row in asked)])
    records = []
    elapsed = 1.0
    for place, (name, _, gold, _, _) in enumerate(asked):
        votes = [] if place == 7 else [int(gold)] * (2 + place % 3) + [1] * (place % 2)
        seconds = 0.6 + 0.2 * (place % 4)
        record = {
            "id": name, "answer": votes[0] if votes else 0, "votes": votes, "samples": 8, "tokens": 300 + 50 * place,
            "reason": "deadline" if not votes else ("all samples", "lead", "posterior")[place % 3],
            "seconds": seconds, "share_seconds": 1.0, "deadline_seconds": 1.6, "started_seconds": elapsed,
            "vote_seconds": [elapsed + seconds * (number + 1) / len(votes) for number in range(len(votes))],
            "elapsed_seconds": elapsed + seconds, "error": None, "bank_seconds": 1.0 - elapsed - seconds + place + 1,
        }  # fmt: skip
        records.append(record)
        elapsed += seconds
    (folder / "questions.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    report = {
        "questions": 8, "answered": 8, "by_vote": 7, "by_fallback": 1, "errors": 0, "correct": 7, "right_by_vote": 7,
        "seconds": elapsed, "limit_seconds": 9.0, "tokens": sum(record["tokens"] for record in records),
        "tokens_full_vote": 8000, "correct_full_vote": 7, "seconds_full_vote": 18.0, "engine_starts": 1,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))

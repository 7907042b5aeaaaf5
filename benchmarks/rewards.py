r"""Completions per second that all rewards together judge, compared with verification as in the published code.

    python benchmarks/rewards.py --traces ../shared/data/traces [--rounds 7]

The completions are real R1 generations whose answers are varied, so that no judgement of a round can be reused. Ours:
six rewards from one judgement, in worker processes. Theirs: math-verify on the whole text, twice per completion, in
this process. Both judge the same texts in turn, and the ratio is computed for each round. A second measurement is one
step of 128 completions, a tenth of them hostile, within the default deadline. The last line is one JSON object.
"""

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import math_verify

from fastmath.recipe.grpo import RewardSettings
from fastmath.training.judge import Judge
from fastmath.training.rewards import Reward, build_rewards

GROUP = 8
STEP = 128
MAX_TOKENS = 16_384
REWARDS = (
    RewardSettings(name="boxed_before_think_end"),
    RewardSettings(name="cosine", parameters={"max_length": 30_000}),
    RewardSettings(name="group_length"),
    RewardSettings(name="accuracy"),
    RewardSettings(name="soft_overlong", parameters={"max_length": 16_384, "margin": 2_048}),
    RewardSettings(name="repetition"),
)
HOSTILE = (
    r"9^{9^{9^9}}", "10000!!!", "{" * 10_000, r"\int_0^1 \frac{\sin(x^x)}{\ln(x+%d)^{x}}dx", "1+" * 2_500_000 + "1",
    r"\boxed{" * 10_000, r"\int_0^\infty \frac{\ln(x^x+%d)}{x^{x}+1}dx", r"\sqrt{2+\sqrt{3+\sqrt{5+x^%d}}}^{63}",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One completion and the answer it is judged by."""

    completion: str
    gold: str


def read_generations(folder: Path) -> list[tuple[str, str]]:
    """(reasoning, gold) of every finished generation."""
    rows = [
        json.loads(line)
        for name in ("openr1_schema_rows.jsonl", "openr1_schema_rows_r1distill.jsonl")
        for line in (folder / name).read_text().splitlines()
    ]
    return [
        (generation.split("</think>")[0], row["answer"])
        for row in rows
        for generation in row["generations"]
        if "</think>" in generation
    ]


def make_tasks(generations: Sequence[tuple[str, str]], count: int, seed: int) -> list[Task]:
    """`count` completions with distinct answers of the real answers' kinds, a third of them wrong."""
    rng = random.Random(seed)
    tasks = []
    for index in range(count):
        reasoning, gold = generations[index % len(generations)]
        number = seed * count + index + 2
        wanted = re.sub("[0-9]+", str(number), gold, count=1)
        given = wanted if rng.random() < 2 / 3 else re.sub("[0-9]+", str(number + 1), wanted, count=1)
        tasks.append(Task(rf"{reasoning}{chr(10)}So the answer is \boxed{{{given}}}.{chr(10)}</think>", wanted))
    return tasks


def time_ours(rewards: Sequence[Reward], tasks: Sequence[Task]) -> tuple[float, list[bool | None]]:
    """Seconds for all steps, and what the accuracy reward says of each completion."""
    ids = [list(range(min(len(task.completion) // 4, MAX_TOKENS))) for task in tasks]
    began = time.perf_counter()
    scores: list[float | None] = []
    for start in range(0, len(tasks), STEP):
        step = tasks[start : start + STEP]
        arguments = {
            "completions": [task.completion for task in step],
            "completion_ids": ids[start : start + STEP],
            "answer": [task.gold for task in step],
        }
        results = {reward.__name__: reward(**arguments) for reward in rewards}
        scores += results["accuracy"]
    return time.perf_counter() - began, [None if score is None else score == 1.0 for score in scores]


def time_theirs(tasks: Sequence[Task]) -> tuple[float, list[bool | None]]:
    """Seconds for two verifications of each completion, with the arguments in the published order."""
    began = time.perf_counter()
    for _ in range(2):
        verdicts = [
            math_verify.verify(math_verify.parse(task.completion), math_verify.parse(f"${task.gold}$"))
            for task in tasks
        ]
    return time.perf_counter() - began, verdicts


def time_hostile_step(rewards: Sequence[Reward], generations: Sequence[tuple[str, str]], seed: int) -> dict[str, float]:
    """One step of 128 completions, every tenth of them hostile."""
    tasks = make_tasks(generations, STEP, seed)
    hostile = range(0, STEP, 10)
    for number, index in enumerate(hostile):
        text = HOSTILE[number % len(HOSTILE)].replace("%d", str(number + 2))
        tasks[index] = Task(rf"So \boxed{{{text}}}.</think>", r"\sqrt{7}")
    seconds, verdicts = time_ours(rewards, tasks)
    ordinary = [verdict for index, verdict in enumerate(verdicts) if index not in hostile]
    return {
        "seconds": round(seconds, 2),
        "hostile": len(hostile),
        "ordinary_judged": sum(verdict is not None for verdict in ordinary),
        "ordinary": len(ordinary),
    }


@dataclass(frozen=True)
class Result:
    """The figures of one run of the benchmark; rates in completions a second."""

    completions: int
    rounds: int
    ours: float
    theirs: float
    ratio: float
    ratio_low: float
    ratio_high: float
    same_verdicts: float
    hostile_step: dict[str, float]


def measure(traces: Path, completions: int, rounds: int) -> Result:
    """Time both in turn, `rounds` times, on completions that differ from round to round."""
    generations = read_generations(traces)
    with Judge().verifier as verifier:
        rewards = build_rewards(REWARDS, GROUP, Judge(verifier))
        time_ours(rewards, make_tasks(generations, STEP, seed=rounds + 1))  # starts the workers
        time_theirs(make_tasks(generations, STEP, seed=rounds + 1))
        times = []
        for seed in range(rounds):
            tasks = make_tasks(generations, completions, seed)
            ours, our_verdicts = time_ours(rewards, tasks)
            theirs, their_verdicts = time_theirs(tasks)
            same = sum(a == b for a, b in zip(our_verdicts, their_verdicts, strict=True)) / completions
            times.append((ours, theirs, same))
        hostile = time_hostile_step(rewards, generations, seed=rounds)
    ratios = sorted(theirs / ours for ours, theirs, _ in times)
    return Result(
        completions=completions,
        rounds=rounds,
        ours=round(completions / statistics.median(ours for ours, _, _ in times)),
        theirs=round(completions / statistics.median(theirs for _, theirs, _ in times)),
        ratio=round(statistics.median(ratios), 2),
        ratio_low=round(ratios[0], 2),
        ratio_high=round(ratios[-1], 2),
        same_verdicts=round(statistics.mean(same for _, _, same in times), 4),
        hostile_step=hostile,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, required=True, help="folder of the recorded generations")
    parser.add_argument("--completions", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(json.dumps(asdict(measure(arguments.traces, arguments.completions, arguments.rounds))))


if __name__ == "__main__":
    main()

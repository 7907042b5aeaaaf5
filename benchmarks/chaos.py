"""Contests of 50 questions with random faults: does every question get an answer of the right type, in time?

    python benchmarks/chaos.py [--contests 1000] [--share 0.05] [--processes 2]    recorded questions, virtual time
    python benchmarks/chaos.py --real [--contests 20] [--run-dir runs/nano]        vLLM, SIGKILL and SIGSTOP, real time

In virtual time, engines die, hang, block their event loop, run out of memory, return nonsense, fail to start or never
finish loading; engine, parser, vote and policy raise exceptions of every base class; disks are slow, stuck or full, the
clock jumps, questions go on for longer than the gateway allows, and notebooks are restarted. The faults are defined in
`tests/helpers/chaos*.py`; the kernel, its threads and its event loops are the real ones. Every contest is
also played without faults until all samples have voted, and its answers are compared with the votes of the recorded
samples. In real time, the engine's processes get SIGKILL or SIGSTOP at random moments of contests on vLLM. The last
line is one JSON object.
"""

import argparse
import json
import logging
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import psutil
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fastmath.contest.assembly import build_kernel, engine_starter
from fastmath.contest.gateway import LocalGateway
from fastmath.engine.supervision import EngineKeeper
from fastmath.kernel.journal import read_records
from fastmath.recipe.load import load_recipe
from helpers.chaos_contest import AMPLE, RECORDED, full_vote, play, recorded_questions
from helpers.struck_engine import Striker

LIMITS = (600.0, 2500.0, AMPLE)
"""Virtual seconds of a contest, in turn: full votes take 1,500 to 4,000."""


def play_both(work: tuple[int, float]) -> dict[str, Any]:
    """One contest with faults and one without, by its seed."""
    seed, share = work
    logging.disable(logging.CRITICAL)
    questions = recorded_questions(seed)
    votes = {name: full_vote(question) for name, question in questions.items()}
    with tempfile.TemporaryDirectory() as folder:
        struck = play(Path(folder) / "struck", questions, seed, share, LIMITS[seed % len(LIMITS)])
        calm = play(Path(folder) / "calm", questions, seed, 0.0, AMPLE, policy="full")
    return {
        "whole": struck.is_whole(list(questions)) and struck.disk_agrees,
        "late": struck.late,
        "over": struck.over,
        "idle": struck.idle,
        "call": struck.call,
        "children": struck.children,
        "struck": struck.struck,
        "as_voted": count_equal(struck.submission, votes),
        "calm_as_voted": count_equal(calm.submission, votes),
    }


def count_equal(submission: pl.DataFrame, votes: dict[str, int]) -> int:
    return sum(votes[name] == answer for name, answer in submission.iter_rows())


def measure(contests: int, share: float, processes: int) -> dict[str, object]:
    """Play the contests; `latest_seconds` is the most that any answer came behind its question's deadline.

    `most_seconds_after_a_decision` is the same behind the moment at which votes and time had decided it, and
    `longest_call_share` the longest call as a share of what the gateway allows.
    """
    began = time.monotonic()
    work = [(seed, share) for seed in range(contests)]
    # Fresh processes now and then: threads that were left behind by design do not pile up.
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=50) as pool:
        results = list(tqdm(pool.imap_unordered(play_both, work), total=contests, unit="contest", file=sys.stderr))
    struck: Counter[str] = Counter()
    for result in results:
        struck.update(result["struck"])
    return {
        "contests": contests,
        "questions": 50 * contests,
        "contests_answered_whole": sum(result["whole"] for result in results),
        "latest_seconds": round(max(result["late"] for result in results), 3),
        "most_seconds_past_a_limit": round(max(result["over"] for result in results), 3),
        "most_seconds_after_a_decision": round(max(result["idle"] for result in results), 3),
        "longest_call_share": round(max(result["call"] for result in results), 3),
        "processes_left": sum(result["children"] for result in results),
        "answers_as_the_full_vote": sum(result["as_voted"] for result in results),
        "answers_as_the_full_vote_without_faults": sum(result["calm_as_voted"] for result in results),
        "faults": dict(struck.most_common()),
        "seconds": round(time.monotonic() - began, 1),
    }


def measure_real(contests: int, run_dir: Path, limit: float) -> dict[str, object]:
    """Strike the engine's processes at random moments of contests on vLLM."""
    recipe = load_recipe("nano", {})
    model = run_dir / "quantize_awq" / "model"
    asked = pl.read_parquet(run_dir / "build_data" / "test.parquet").select("id", "problem", "answer").head(50)
    gold = dict(asked.select("id", "answer").iter_rows())
    began, rng = time.monotonic(), random.Random(0)
    whole, right, latest, restarts = 0, 0, float("-inf"), 0
    signals: Counter[str] = Counter()
    keeper = EngineKeeper(engine_starter(recipe, model))
    with tempfile.TemporaryDirectory() as folder:
        asked.write_csv(Path(folder) / "test.csv")
        for contest in tqdm(range(contests), unit="contest", file=sys.stderr):
            home = Path(folder) / str(contest)
            home.mkdir()
            kernel = build_kernel(recipe, model, keeper, limit, asked.height, home / "questions.jsonl")
            kernel.hang_seconds = 5.0
            with Striker(keeper, rng) as striker:
                gateway = LocalGateway(kernel.predict, kernel.profile.call_seconds, seed=contest)
                submission = gateway.run(Path(folder) / "test.csv", home)
            records = read_records(home / "questions.jsonl")
            signals.update(signal.Signals(number).name for number in striker.struck)
            typed = dict(submission.schema) == {"id": pl.String, "answer": pl.Int64}
            whole += typed and submission["id"].n_unique() == asked.height
            right += sum(gold[name] == answer for name, answer in submission.iter_rows())
            latest = max(latest, *(late_of(record) for record in records))
            restarts += sum(record["error"] is not None for record in records)
        keeper.close()
    leftovers = [child.name() for child in psutil.Process().children(recursive=True) if "EngineCore" in child.name()]
    return {
        "contests": contests,
        "questions": contests * asked.height,
        "contests_answered_whole": whole,
        "signals": dict(signals),
        "questions_struck": restarts,
        "latest_seconds": round(latest, 3),
        "right_answers": right,
        "engine_starts": keeper.starts,
        "engine_processes_left": len(leftovers),
        "seconds": round(time.monotonic() - began, 1),
    }


def late_of(record: dict[str, Any]) -> float:
    return record["elapsed_seconds"] - record["started_seconds"] - record["deadline_seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contests", type=int)
    parser.add_argument("--share", type=float, default=0.05, help="chance of a fault at each occasion")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--real", action="store_true", help="contests on vLLM that is really killed")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/nano"))
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of a real contest")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.real:
        print(json.dumps(measure_real(arguments.contests or 20, arguments.run_dir, arguments.limit)))
    elif RECORDED.exists():
        print(json.dumps(measure(arguments.contests or 1000, arguments.share, arguments.processes)))
    else:
        parser.error(f"{RECORDED} is not there: virtual contests are played with recorded samples")


if __name__ == "__main__":
    main()

"""Contests of 50 questions in which everything goes wrong at random: is every question answered, typed and in time?

    python benchmarks/chaos.py [--contests 1000] [--share 0.05]

Engines die, hang, block their event loop, run out of memory, raise exceptions of every base class, talk nonsense and do
not start; disks are slow and full. The same contest without faults gives the answers to compare with. The faults are
those of `tests/inference/chaos.py`. Prints one JSON line.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "inference"))
from chaos import play


def is_whole(submission: pl.DataFrame, questions: int) -> bool:
    """Whether every question has one answer of the contest's type and range."""
    typed = submission.schema == {"id": pl.String, "answer": pl.Int64}
    return typed and submission["id"].n_unique() == questions and submission["answer"].is_between(0, 999).all()


def measure(contests: int, share: float, questions: int) -> dict[str, object]:
    """Play the contests; `latest_seconds` is the most that any went past its limit."""
    struck: Counter[str] = Counter()
    whole, right, latest = 0, 0, float("-inf")
    with tempfile.TemporaryDirectory() as folder:
        for seed in tqdm(range(contests), unit="contest", file=sys.stderr):
            submission, late, weather = play(Path(folder) / str(seed), seed, share, questions)
            whole += is_whole(submission, questions)
            right += (submission["answer"] == 7).sum()
            latest = max(latest, late)
            struck.update(weather.struck)
        calm, _, _ = play(Path(folder) / "calm", 0, share=0.0, questions=questions)
    return {
        "contests": contests,
        "questions": contests * questions,
        "contests_answered_whole": whole,
        "latest_seconds": round(latest, 2),
        "right_answers": right / (contests * questions),
        "right_answers_without_faults": (calm["answer"] == 7).mean(),
        "faults": dict(struck.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contests", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.05, help="chance of a fault at each occasion")
    parser.add_argument("--questions", type=int, default=50)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(json.dumps(measure(arguments.contests, arguments.share, arguments.questions)))


if __name__ == "__main__":
    main()

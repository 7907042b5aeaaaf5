r"""Reference answers against themselves and against each other: what the verifier takes for equal.

    python benchmarks/golds.py --problems ../shared/data/problems/math500.jsonl … [--pairs 20000] [--seed 0]

Every gold is verified against itself, and random pairs of different golds against each other. The pairs that count as
equal are listed: each must be two ways of writing one value. Each line is one JSON object, for one file.
"""

import argparse
import collections
import json
import random
from pathlib import Path
from typing import Any

from fastmath.answers.verifier import Verifier


def measure(path: Path, pairs: int, seed: int, verifier: Verifier) -> dict[str, Any]:
    """Golds that do not equal themselves, different golds that count as equal, and pairs without a verdict."""
    golds = sorted({str(json.loads(line)["answer"]).strip() for line in path.read_text().splitlines()})
    own = verifier.verify_many([(gold, gold) for gold in golds])
    unlike_themselves = [gold for gold, verdict in zip(golds, own, strict=True) if verdict.correct is not True]
    rng = random.Random(seed)
    drawn = [tuple(rng.sample(golds, 2)) for _ in range(pairs)]
    verdicts = verifier.verify_many(drawn)
    equal = sorted({pair for pair, verdict in zip(drawn, verdicts, strict=True) if verdict.correct})
    unjudged = collections.Counter(
        (verdict.reason, pair[0]) for pair, verdict in zip(drawn, verdicts, strict=True) if verdict.correct is None
    )
    return {
        "file": path.name,
        "golds": len(golds),
        "unlike_themselves": unlike_themselves,
        "pairs": pairs,
        "equal": equal,
        "unjudged": [{"reason": reason, "gold": gold, "pairs": count} for (reason, gold), count in unjudged.items()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, nargs="+", required=True, help="JSONL files with a column `answer`")
    parser.add_argument("--pairs", type=int, default=20_000, help="random pairs of different golds for each file")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with Verifier(cpu_seconds=2.0) as verifier:
        for path in arguments.problems:
            print(json.dumps(measure(path, arguments.pairs, arguments.seed, verifier), ensure_ascii=False))


if __name__ == "__main__":
    main()

r"""Agreement of the verifier with the labels of other answer checkers, compared with math-verify's at its defaults.

    python benchmarks/answers.py --pairs ../shared/data/answers/equivalence_pairs.jsonl

Every remaining disagreement is listed with the reason why it is accepted. The last line is one JSON object.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from fastmath.answers.verify import verify

ARGUMENTS = {
    "eq-0028": "the label asks that a formula over three lines is not read; its value is 9 all the same",
    "eq-0029": "as eq-0028",
    "eq-0260": "the label drops the first of three boxes, `1`, because prose follows it; we compare all of them",
    "eq-0322": "contradicts eq-0319, by which `10 cm^2` equals 10: a unit does not change the number",
    "eq-0330": "equal for positive radii only, which the text does not state; SymPy rightly does not assume it",
    "eq-0337": "the prediction's backslashes are doubled, so it is no LaTeX; guessing would let broken output pass",
    "eq-0344": "the label takes 2^(2^-1000) for 1; the reference is too costly to work out and is not judged by",
    "eq-0438": "`10{,}000` is how LaTeX writes 10000 (eq-0423 and eq-0460 agree); the label is wrong",
    "eq-0490": "as eq-0322: `1320 km` has the value 1320",
}


def measure(path: Path) -> dict[str, Any]:
    """Counts, time in CPU seconds, and the disagreements."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    began = time.process_time()
    verdicts = {row["id"]: verify(row["gold"], row["pred"]) for row in rows}
    seconds = time.process_time() - began
    left = [row for row in rows if verdicts[row["id"]] != row["expected"]]
    theirs = [row for row in rows if row["math_verify_0_9_0_default"] != row["expected"]]
    return {
        "pairs": len(rows),
        "disagreements_of_math_verify": len(theirs),
        "disagreements": len(left),
        "lost": sum(row["math_verify_0_9_0_default"] == row["expected"] for row in left),
        "cpu_seconds": round(seconds, 1),
        "left": [
            {
                "id": row["id"],
                "gold": row["gold"][:80],
                "prediction": row["pred"][:80],
                "label": row["expected"],
                "ours": verdicts[row["id"]],
                "argument": ARGUMENTS.get(row["id"], "none yet"),
            }
            for row in left
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="JSONL of `id, gold, pred, expected`")
    print(json.dumps(measure(parser.parse_args().pairs)))


if __name__ == "__main__":
    main()

"""Recorded votes made up for tests: like those of reasoning models on an olympiad, but nobody's.

Hard problems have long traces, wrong traces are longer than right ones, wrong answers gather on a popular one, and what
would grow beyond a cap has no answer. `rows` are those of a votes file: `id, gold, model, answers[], tokens[]`.
"""

import json
import math
import random
from pathlib import Path

CAP = 30_000
"""Tokens at which a trace is cut off."""


def make_votes(models: int = 3, problems: int = 30, samples: int = 48, seed: int = 0) -> list[dict]:
    rng = random.Random(seed)
    hardness = [rng.gauss(-0.6, 2.2) for _ in range(problems)]
    golds = [rng.randrange(1000) for _ in range(problems)]
    popular = [[rng.randrange(1000) for _ in range(3)] for _ in range(problems)]
    rows = []
    for model in range(models):
        skill = 0.8 * model
        for problem in range(problems):
            chance = 1 / (1 + math.exp(hardness[problem] - skill))
            typical = 4_000 + 9_000 * (1 - chance)
            drawn = [_draw(rng, chance, typical, golds[problem], popular[problem]) for _ in range(samples)]
            rows.append(
                {
                    "id": f"p{problem}",
                    "gold": str(golds[problem]),
                    "model": f"made-{model}",
                    "answers": [answer for answer, _ in drawn],
                    "tokens": [tokens for _, tokens in drawn],
                }
            )
    return rows


def _draw(rng: random.Random, chance: float, typical: float, gold: int, popular: list[int]) -> tuple[str, int]:
    right = rng.random() < chance
    tokens = int(typical * (1.0 if right else 1.5) * math.exp(rng.gauss(0, 0.35)))
    if tokens >= CAP:
        return "", CAP
    if right:
        return str(gold), tokens
    return str(rng.choice(popular) if rng.random() < 0.5 else rng.randrange(1000)), tokens


def write_votes(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path

"""The kernel's own rule against every public one in replayed contests: a table, a figure and the remaining headroom.

    python benchmarks/policies.py --votes FILE [--seeds 91] [--figure docs/policies.png]

All rules play the same contests (91 per model, or 1,001 for eleven models), so differences are paired. The headroom is
measured by an oracle. It knows for every question when, with the best number of samples, the correct answer would first
lead, and spends its time on the cheapest questions; no rule that answers with the leader can do better. `per_model` is
the kernel's score minus that of the best public rule for each model, and of these the worst; slowdowns 8 and inf are
the steep and the flat throughput curve. The last line is one JSON object.
"""

import argparse
import heapq
import json
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from policies_plot import plot_policies
from tqdm import tqdm

from fastmath.plots.style import save_figure
from fastmath.policies.plan import Policy
from fastmath.policies.public import PUBLIC, find_policies
from fastmath.policies.voting import Ballot, Vote, leading_answer
from fastmath.replay.draws import by_model, replay_questions
from fastmath.replay.simulator import CONTEST_SAMPLES, ContestSetting, full_vote_seconds, play_contest
from fastmath.replay.votes import Recording, draw_contest, read_votes

LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0)
SLOWDOWNS = (24.0, 8.0, math.inf)
# The floor that was given, and ways to write the same rule again: in no comparison.
NOT_PUBLIC = {"two-lines-8", "two-lines-6", "bound", "agree-4", "agree-5", "agree-6", "adaptive-consistency-99"}
RULES = ["default", *(name for name in PUBLIC if name not in NOT_PUBLIC)]


def play_seed(models: dict[str, list[Recording]], slowdown: float, seed: int) -> np.ndarray:
    """Right answers of one contest a model, (rules + oracle, limits, models)."""
    policies: dict[str, Policy] = find_policies()
    scores = np.zeros((len(RULES) + 1, len(LIMITS), len(models)))
    for m, rows in enumerate(models.values()):
        questions = draw_contest(rows, seed)
        for limit_index, limit in enumerate(LIMITS):
            setting = ContestSetting(limit, slowdown)
            for rule_index, name in enumerate(RULES):
                scores[rule_index, limit_index, m] = play_contest(questions, policies[name], setting).right
        scores[-1, :, m] = oracle_scores(questions, slowdown)
    return scores


def oracle_scores(questions: list[Recording], slowdown: float) -> list[int]:
    """Right answers of the oracle, by limit."""
    costs = [earliest_right(question, slowdown) for question in questions]
    full = sum(full_vote_seconds(question, slowdown) for question in questions)
    scores = []
    for limit in LIMITS:
        left, right = limit * full, 0
        for cost in sorted(costs):
            if cost > left:
                break
            left, right = left - cost, right + 1
        scores.append(right)
    return scores


def earliest_right(question: Recording, slowdown: float) -> float:
    """Seconds until the first n samples, run together, first have the right leader; the least over n."""
    best = math.inf
    for count in range(1, CONTEST_SAMPLES + 1):
        ends = [(sample.tokens, index) for index, sample in enumerate(question.samples[:count])]
        heapq.heapify(ends)
        seconds, position, ballot = 0.0, 0, Ballot()
        while ends:
            live = len(ends)
            end, index = heapq.heappop(ends)
            seconds, position = seconds + (end - position) * (1 + live / slowdown), end
            answer = question.samples[index].answer
            ballot.add(None if answer is None else Vote(answer))
            if leading_answer(ballot.tally) == question.gold:
                best = min(best, seconds)
                break
    return best


def play_all(recordings: list[Recording], slowdown: float, seeds: int) -> np.ndarray:
    """(rules + oracle, limits, models, seeds)."""
    work = partial(play_seed, by_model(recordings), slowdown)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        played = tqdm(pool.map(work, range(seeds)), total=seeds, unit="seed", file=sys.stderr, mininterval=10)
        return np.stack(list(played), axis=-1)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval of the mean."""
    error = 1.96 * values.std(ddof=1) / math.sqrt(values.size)
    return round(values.mean(), 2), round(values.mean() - error, 2), round(values.mean() + error, 2)


def compare(scores: np.ndarray) -> dict[str, Any]:
    """The kernel's rule against the best public one, by limit."""
    result = {}
    for index, limit in enumerate(LIMITS):
        cells = scores[:, index]  # (rules + oracle, models, seeds)
        means = cells[1:-1].mean(axis=(1, 2))
        best = 1 + int(means.argmax())
        best_of_models = 1 + cells[1:-1].mean(axis=2).argmax(axis=0)  # (models,)
        by_model_gain = np.array(
            [cells[0, m].mean() - cells[best_of_models[m], m].mean() for m in range(cells.shape[1])]
        )
        gain = cells[0] - cells[best]
        result[str(limit)] = {
            "default": interval(cells[0].ravel()),
            "best_public": RULES[best],
            "its_score": round(float(means.max()), 2),
            "paired_gain": interval(gain.ravel()),
            "per_model_worst": round(float(by_model_gain.min()), 2),
            "oracle": round(float(cells[-1].mean()), 2),
            "captured": round(float(gain.mean() / (cells[-1].mean() - means.max())), 2),
        }
    return result


def render_table(scores: np.ndarray) -> str:
    """Mean scores as Markdown, best of each column bold."""
    means = scores.mean(axis=(2, 3))
    lines = ["| rule | " + " | ".join(map(str, LIMITS)) + " |", "|---|" + "---|" * len(LIMITS)]
    for index, name in enumerate([*RULES, "oracle"]):
        cells = [
            f"**{value:.1f}**" if index < len(RULES) and value == means[:-1, column].max() else f"{value:.1f}"
            for column, value in enumerate(means[index])
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compare_questions(recordings: list[Recording], seeds: int) -> dict[str, Any]:
    """One question without a clock: the kernel's rule and every public rule within 0.5 points of the full vote."""
    result = {}
    for samples in (16, 32):
        played = {
            name: replay_questions(recordings, policy, samples, seeds, os.cpu_count() or 1)
            for name, policy in find_policies().items()
            if not name.startswith("two-lines") and name not in ("bound", "aimo3", "nemoskills", "agree-35-percent")
        }
        full = played["full"]["accuracy"]
        near = {name: row for name, row in played.items() if name != "default" and row["accuracy"] >= full - 0.005}
        ours = played["default"]
        result[f"n={samples}"] = {
            "points_to_full_vote": round(100 * (ours["accuracy"] - full), 2),
            "tokens": ours["tokens_ratio"],
            "wall": ours["wall_ratio"],
            "fewest_public_tokens": min((row["tokens_ratio"], name) for name, row in near.items()),
            "least_public_wall": min((row["wall_ratio"], name) for name, row in near.items()),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=91, help="contests a model at slowdown 24")
    parser.add_argument("--other-seeds", type=int, default=30, help="at the other slowdowns")
    parser.add_argument("--question-seeds", type=int, default=40)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    recordings = read_votes(arguments.votes)
    result: dict[str, Any] = {"questions": compare_questions(recordings, arguments.question_seeds)}
    for slowdown in SLOWDOWNS:
        seeds = arguments.seeds if slowdown == SLOWDOWNS[0] else arguments.other_seeds
        scores = play_all(recordings, slowdown, seeds)
        print(f"\nslowdown {slowdown}, {seeds} contests a model\n\n{render_table(scores)}\n", flush=True)
        result[f"slowdown {slowdown}"] = compare(scores)
        if slowdown == SLOWDOWNS[0] and arguments.figure:
            save_figure(plot_policies(scores, RULES, LIMITS), arguments.figure)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""The kernel's own rule against every public one on a recorded exam: with and without a clock, model by model.

    python benchmarks/policies.py --votes FILE:PROFILE [--seeds 200] [--figure docs/policies.png] [--keep]
    python benchmarks/policies.py --table        # the kept results of all exams as Markdown

All rules play the same contests, so differences are paired; intervals are over contests, and for questions over
problems. Slowdowns 8 and inf are the steep and the flat throughput curve. `worst_model` is the model for which the
kernel's score has least above the best public rule of the column, `worst_model_to_its_best` the same against whatever
public rule is best for that model, which is chosen after the fact. The headroom is measured by an oracle. It knows for
every question when, with the best number of samples, the correct answer would first lead, and spends its time on the
cheapest questions; no rule that answers with the leader can do better. The last line is one JSON object.
"""

import argparse
import heapq
import json
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine_results import RESULTS, keep
from policies_plot import plot_policies
from tqdm import tqdm

from fastmath.answers.contests import CONTESTS
from fastmath.plots.style import save_figure
from fastmath.policies.public import COMPARED, find_policies
from fastmath.policies.voting import Ballot, Vote, leading_answer
from fastmath.replay.draws import OURS, by_model, mean_with_interval
from fastmath.replay.questions import replay_questions
from fastmath.replay.simulator import CONTEST_SAMPLES, ContestSetting, full_vote_seconds, play_contest
from fastmath.replay.votes import Recording, draw_contest, read_votes

LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0)
SLOWDOWNS = (24.0, 8.0, math.inf)
TWO_LINES = ("two-lines-8", "two-lines-6")
RULES = (OURS, *COMPARED, *TWO_LINES)
QUESTION_SAMPLES = (16, 32)
NEAR = 0.2
"""Percentage points below the full vote up to which a rule counts as as right, without a clock."""
MACHINE = "any machine"
"""Virtual time is the same on every one."""


def play_seed(models: dict[str, list[Recording]], slowdown: float, seed: int) -> np.ndarray:
    """Right answers of one contest a model, (rules + oracle, limits, models)."""
    policies = find_policies()
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


def interval(values: np.ndarray) -> list[float]:
    """Mean and 95 % interval of the mean."""
    return [round(float(value), 2) for value in mean_with_interval(values.ravel().tolist())]


def compare(scores: np.ndarray, models: Sequence[str]) -> dict[str, Any]:
    """Every rule's score and what ours has above it; the best public rule, the better two lines, the worst model."""
    result = {}
    public = range(1, 1 + len(COMPARED))
    for index, limit in enumerate(LIMITS):
        cells = scores[:, index]  # (rules + oracle, models, seeds)
        means = cells.mean(axis=(1, 2))
        best = max(public, key=means.__getitem__)
        lines = max((RULES.index(name) for name in TWO_LINES), key=means.__getitem__)
        by_rule = cells.mean(axis=2)  # (rules + oracle, models)
        margins = {
            "worst_model": by_rule[0] - by_rule[best],
            "worst_model_to_its_best": by_rule[0] - by_rule[list(public)].max(axis=0),
        }
        result[str(limit)] = {
            "rules": {
                name: {"score": interval(cells[rule]), "gain": interval(cells[0] - cells[rule])}
                for rule, name in enumerate(RULES)
            },
            "best_public": RULES[best],
            "gain": interval(cells[0] - cells[best]),
            "two_lines": RULES[lines],
            "gain_on_two_lines": interval(cells[0] - cells[lines]),
            **{key: [models[int(row.argmin())], round(float(row.min()), 2)] for key, row in margins.items()},
            "oracle": round(float(means[-1]), 2),
        }
    return result


def compare_questions(recordings: list[Recording], seeds: int) -> dict[str, Any]:
    """One question without a clock, by every rule."""
    rules = {
        name: rule for name, rule in find_policies().items() if name not in ("nemoskills", "huikang")
    }  # by a clock
    return {
        str(samples): replay_questions(recordings, rules, samples, seeds, os.cpu_count() or 1)
        for samples in QUESTION_SAMPLES
    }


def render(results: dict[str, dict[str, Any]]) -> str:
    """The results of all exams as Markdown: contests at the usual slowdown, the two others in short, and questions."""
    limits = [str(limit) for limit in LIMITS]
    lines = ["| exam | rule | " + " | ".join(limits) + " |", "|---|---|" + "---|" * len(limits)]
    for exam, result in results.items():
        cells = result["slowdowns"]["24.0"]
        for name in RULES:
            row = [render_cell(name, cells[limit]["rules"][name]) for limit in limits]
            lines.append(f"| {exam} | {name} | " + " | ".join(row) + " |")
        lines.append(f"| {exam} | oracle | " + " | ".join(f"{cells[limit]['oracle']:.1f}" for limit in limits) + " |")
    lines += ["", "| exam | slowdown | against | " + " | ".join(limits) + " |", "|---|---|---|" + "---|" * len(limits)]
    for exam, result in results.items():
        for slowdown, cells in result["slowdowns"].items():
            best = [f"{render_gain(cells[limit]['gain'])} {cells[limit]['best_public']}" for limit in limits]
            two = [render_gain(cells[limit]["gain_on_two_lines"]) for limit in limits]
            worst, strict = (
                [f"{cells[limit][key][1]:+.2f}" for limit in limits]
                for key in ("worst_model", "worst_model_to_its_best")
            )
            rows = {
                "best public": best,
                "two lines": two,
                "best public, worst model": worst,
                "each model's best public, worst model": strict,
            }
            for label, row in rows.items():
                lines.append(f"| {exam} | {slowdown} | {label} | " + " | ".join(row) + " |")
    for samples in map(str, QUESTION_SAMPLES):
        lines += ["", f"| rule, {samples} samples | " + " | ".join(f"{exam}: points, tokens, time" for exam in results)]
        lines[-1] += " |"
        lines.append("|---|" + "---|" * len(results))
        tables = [{row["policy"]: row for row in result["questions"][samples]} for result in results.values()]
        for name in tables[0]:
            rows = [table[name] for table in tables]
            near = all(row["points"] >= -NEAR for row in rows)
            lines.append(f"| {f'**{name}**' if near else name} | " + " | ".join(map(render_question, rows)) + " |")
    return "\n".join(lines)


def render_cell(name: str, cell: dict[str, list[float]]) -> str:
    return f"**{cell['score'][0]:.1f}**" if name == OURS else f"{cell['score'][0]:.1f} ({render_gain(cell['gain'])})"


def render_gain(gain: list[float]) -> str:
    return f"{gain[0]:+.2f} ± {gain[2] - gain[0]:.2f}"


def render_question(row: dict[str, Any]) -> str:
    error = row["points_high"] - row["points"]
    return f"{row['points']:+.2f} ± {error:.2f}, {row['tokens_ratio']:.3f}, {row['wall_ratio']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", metavar="FILE:PROFILE")
    parser.add_argument("--seeds", type=int, default=200, help="contests a model at slowdown 24")
    parser.add_argument("--other-seeds", type=int, default=60, help="at the other slowdowns")
    parser.add_argument("--question-seeds", type=int, default=100)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the result for --table")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        kept = sorted((RESULTS / "any-machine").glob("policies-*.json"))
        print(render({path.stem.removeprefix("policies-"): json.loads(path.read_text()) for path in kept}))
        return
    file, _, profile = arguments.votes.rpartition(":")
    recordings = read_votes(Path(file), profile=CONTESTS[profile])
    models = list(by_model(recordings))
    result: dict[str, Any] = {"profile": profile, "seeds": arguments.seeds, "slowdowns": {}}
    for slowdown in SLOWDOWNS:
        usual = slowdown == SLOWDOWNS[0]
        scores = play_all(recordings, slowdown, arguments.seeds if usual else arguments.other_seeds)
        result["slowdowns"][str(slowdown)] = compare(scores, models)
        if usual and arguments.figure:
            save_figure(plot_policies(scores, RULES, LIMITS), arguments.figure)
    result["questions"] = compare_questions(recordings, arguments.question_seeds)
    if arguments.keep:
        keep(f"policies-{Path(file).name.partition('.')[0]}", result, MACHINE)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Fit the schedule of the kernel's own policy to recorded votes; `--write` stores it beside the policy's code.

    python benchmarks/fit_policy.py --votes FILE [--rounds 4] [--write]
    python benchmarks/fit_policy.py --votes FILE --hold-out models|problems

A schedule is tried on tens of thousands of contests, so this file has a second, compiled implementation of the policy;
`tests/replay/test_simulator.py` plays contests with both and requires equal scores. The search is a random walk that
keeps a schedule if it scores better, over time limits of 0.1 to 1 of the full votes' time and three throughput curves.
`--hold-out` fits on one half of the models (or problems) and plays the other half with the solver itself, then the
reverse, and compares with public rules. The last line is one JSON object.
"""

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, prange
from tqdm import tqdm

from fastmath.policies.adaptive import MOST_SAMPLES, SCHEDULE_FILE, AdaptivePolicy, Schedule, load_schedule
from fastmath.policies.plan import Policy
from fastmath.policies.public import PUBLIC
from fastmath.policies.voting import posterior_of_lead
from fastmath.replay.draws import by_model, contest_scores
from fastmath.replay.simulator import ContestSetting
from fastmath.replay.votes import Recording, draw_contest, read_votes

LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
LIMIT_WEIGHTS = (0.5, 1.0, 1.0, 1.0, 2.0, 1.0, 1.5, 1.0)
SLOWDOWN_WEIGHTS = {24.0: 1.0, 8.0: 0.3, 1e9: 0.3}
POSTERIOR = np.array([[posterior_of_lead(a, b) for b in range(17)] for a in range(17)])

# Parameters of a schedule in one vector: six numbers, then four rows with a value for each knot of the pace.
SCALARS = ("prior_pace", "prior_weight", "batch_divisor", "batch_growth", "batch_pace", "split")
ROWS = ("patient", "lapsed", "longest", "second_wave")
SCALAR_STEPS = np.array([0.3, 0.5, 0.7, 0.3, 0.2, 0.05])
SCALAR_BOUNDS = np.array([(0.3, 4), (0.5, 4), (2, 12), (0, 3), (0.3, 5), (0.5, 0.95)])
ROW_STEPS = np.array([0.15, 0.5, 3.0, 0.3])
ROW_BOUNDS = np.array([(0, 1.5), (0.3, 6), (1.5, 40), (0, 3)])


@njit
def _interpolate(x: float, knots: np.ndarray, values: np.ndarray) -> float:
    if x <= knots[0]:
        return values[0]
    for i in range(1, len(knots)):
        if x <= knots[i]:
            part = (x - knots[i - 1]) / (knots[i] - knots[i - 1])
            return values[i - 1] * (1 - part) + values[i] * part
    return values[-1]


@njit
def _question(
    lengths: np.ndarray,
    answers: np.ndarray,
    first: int,
    times: tuple[float, float, float, float],
    split: float,
    lead: float,
    certainty: float,
    slowdown: float,
    posterior: np.ndarray,
    out: np.ndarray,
) -> int:
    """Play one question; `out` gets its seconds, the seconds to the first vote and whether three votes agreed."""
    samples = len(lengths)
    patient, lapsed, deadline, wave_until = times
    ends = np.full(samples, np.inf)
    ends[:first] = lengths[:first]
    started, live, waved = first, first, first >= samples
    given = np.full(samples, -1)
    votes = np.zeros(samples, np.int64)
    distinct, count = 0, 0
    time, position, current = 0.0, 0.0, 0.5
    out[1], out[2] = -1.0, -1.0
    while live > 0:
        next_sample = int(np.argmin(ends[:started]))
        step = (ends[next_sample] - position) * (1 + live / slowdown)
        answer_at = deadline
        if current > 0.5:
            missing = (certainty - current) / (certainty - 0.5)
            answer_at = min(deadline, max(time, patient + (lapsed - patient) * missing))
        if time + step > answer_at:
            time = answer_at
            break
        time += step
        position = ends[next_sample]
        ends[next_sample] = np.inf
        live -= 1
        if answers[next_sample] >= 0:
            out[1] = time if count == 0 else out[1]
            count += 1
            which = 0
            while which < distinct and given[which] != answers[next_sample]:
                which += 1
            if which == distinct:
                given[which] = answers[next_sample]
                distinct += 1
            votes[which] += 1
            if count == 3:
                out[2] = 1.0 if distinct == 1 else 0.0
        leader, second, leading = 0, 0, 0
        for i in range(distinct):
            if votes[i] > leader:
                second, leader, leading = leader, votes[i], i
            elif votes[i] > second:
                second = votes[i]
        current = posterior[leader, second]
        if leader - second >= lead or current >= certainty:
            break
        pending = live + (samples - started if not waved and time < wave_until else 0)
        safe = leader > 0 and pending <= leader
        for i in range(distinct):
            if i != leading:
                safe = safe and (votes[i] + pending < leader if i < leading else votes[i] + pending <= leader)
        if safe:
            break
        split_vote = count >= 2 and current < split
        if not waved and ((split_vote and time < wave_until) or (live == 0 and count == 0)):
            waved = True
            ends[started:] = position + lengths[started:]
            live += samples - started
            started = samples
    best, most = -1, 0
    for i in range(distinct):
        if votes[i] > most:
            best, most = given[i], votes[i]
    out[0] = time
    return best


@njit
def _contest(
    lengths: np.ndarray,
    answers: np.ndarray,
    golds: np.ndarray,
    total: float,
    vector: np.ndarray,
    knots: np.ndarray,
    leads: np.ndarray,
    slowdown: float,
    posterior: np.ndarray,
) -> int:
    questions, samples = lengths.shape
    rows = vector[6:].reshape((4, len(knots)))
    left, right, out = total, 0, np.zeros(3)
    first_votes, first_seconds = vector[1], vector[1] * (total / questions) / vector[0]
    openings, unanimous = leads[0, 0], leads[0, 0] * leads[0, 1]
    for q in range(questions):
        share = left / (questions - q)
        pace = np.log2(max(share / (first_seconds / first_votes), 1e-6))
        batch = min(float(samples), slowdown / vector[2]) * 2.0 ** (vector[3] * max(0.0, pace - np.log2(vector[4])))
        first = int(min(float(samples), max(2.0, np.floor(batch + 0.5))))
        patient = _interpolate(pace, knots, rows[0])
        lapsed = max(patient, _interpolate(pace, knots, rows[1]))
        floor = min(leads[0, 3] * total / questions, share)
        deadline = min(_interpolate(pace, knots, rows[2]) * share, max(left - floor * (questions - q - 1), 0.0))
        wave_until = _interpolate(pace, knots, rows[3]) * share
        agreement = unanimous / openings
        level = 1
        while level < len(leads) - 1 and agreement < leads[level, 0]:
            level += 1
        times = (patient * share, lapsed * share, deadline, wave_until)
        best = _question(
            lengths[q],
            answers[q],
            first,
            times,
            vector[5],
            leads[level, 1],
            leads[0, 2],
            slowdown,
            posterior,
            out,
        )
        right += best == golds[q]
        left -= out[0]
        first_votes += out[1] >= 0
        first_seconds += out[1] if out[1] >= 0 else out[0]
        if out[2] >= 0:
            openings += 1
            unanimous += out[2]
    return right


@njit(parallel=True)
def _play(
    lengths: np.ndarray,
    answers: np.ndarray,
    golds: np.ndarray,
    totals: np.ndarray,
    vector: np.ndarray,
    knots: np.ndarray,
    leads: np.ndarray,
    slowdown: float,
    posterior: np.ndarray,
) -> np.ndarray:
    scores = np.zeros(len(totals))
    for c in prange(len(totals)):
        scores[c] = _contest(lengths[c], answers[c], golds[c], totals[c], vector, knots, leads, slowdown, posterior)
    return scores


class Contests:
    """Drawn contests as arrays: lengths and answers (contests, questions, samples), golds (contests, questions)."""

    def __init__(self, recordings: Sequence[Recording], seeds: Sequence[int]) -> None:
        drawn = [draw_contest(rows, seed) for rows in by_model(recordings).values() for seed in seeds]
        self.lengths = np.array([[[s.tokens for s in q.samples] for q in contest] for contest in drawn], float)
        self.answers = np.array(
            [[[-1 if s.answer is None else s.answer for s in q.samples] for q in contest] for contest in drawn]
        )
        self.golds = np.array([[q.gold for q in contest] for contest in drawn])
        self._full: dict[float, np.ndarray] = {}

    def full_seconds(self, slowdown: float) -> np.ndarray:
        """Seconds that full votes take, (contests,)."""
        if slowdown not in self._full:
            ends = np.sort(self.lengths, axis=2)
            steps = np.diff(ends, axis=2, prepend=0.0)
            live = MOST_SAMPLES - np.arange(MOST_SAMPLES)
            self._full[slowdown] = (steps * (1 + live / slowdown)).sum(axis=(1, 2))
        return self._full[slowdown]

    def scores(self, schedule: Schedule, limit: float, slowdown: float) -> np.ndarray:
        """Right answers of each contest, (contests,)."""
        return _play(
            self.lengths, self.answers, self.golds, limit * self.full_seconds(slowdown), to_vector(schedule),
            np.log2(np.array(schedule.pace)), to_leads(schedule), slowdown, POSTERIOR,
        )  # fmt: skip


def to_vector(schedule: Schedule) -> np.ndarray:
    """What is searched, (6 + 4 * knots,)."""
    rows = [value for name in ROWS for value in getattr(schedule, name)]
    return np.array([getattr(schedule, name) for name in SCALARS] + rows)


def from_vector(vector: np.ndarray, schedule: Schedule) -> Schedule:
    """The schedule with the searched values replaced, three digits of each."""
    rounded = [round(float(value), 3) for value in vector]
    knots = len(schedule.pace)
    rows = {name: tuple(rounded[6 + i * knots : 6 + (i + 1) * knots]) for i, name in enumerate(ROWS)}
    return replace(schedule, **dict(zip(SCALARS, rounded[:6], strict=True)), **rows)


def to_leads(schedule: Schedule) -> np.ndarray:
    """Agreement → lead, after a row of the prior's weight and agreement, the certainty and the floor."""
    rows = [(schedule.opening_weight, schedule.opening_prior, schedule.certainty, schedule.floor_share)]
    return np.array(rows + [(step.agreement, step.lead, 0, 0) for step in schedule.leads], float)


def objective(contests: Contests, schedule: Schedule) -> float:
    """Weighted right answers over limits and curves; higher is better."""
    return sum(
        weight * limit_weight * contests.scores(schedule, limit, slowdown).mean()
        for slowdown, weight in SLOWDOWN_WEIGHTS.items()
        for limit, limit_weight in zip(LIMITS, LIMIT_WEIGHTS, strict=True)
    )


def search(contests: Contests, schedule: Schedule, rounds: int, rng: np.random.Generator) -> Schedule:
    """Walk at random and keep what scores better; 300 steps a round."""
    knots = len(schedule.pace)
    steps = np.concatenate([SCALAR_STEPS, np.repeat(ROW_STEPS, knots)])
    bounds = np.concatenate([SCALAR_BOUNDS, np.repeat(ROW_BOUNDS, knots, axis=0)])
    best, vector = objective(contests, schedule), to_vector(schedule)
    for _ in tqdm(range(300 * rounds), unit="schedule", file=sys.stderr):
        moved = rng.random(len(vector)) < rng.choice([0.03, 0.1, 0.3])
        moved[rng.integers(len(vector))] = True
        step = steps * rng.standard_normal(len(vector)) * rng.choice([0.3, 1.0])
        candidate = np.where(moved, np.clip(vector + step, bounds[:, 0], bounds[:, 1]), vector)
        score = objective(contests, from_vector(candidate, schedule))
        if score > best:
            best, vector = score, candidate
    return from_vector(vector, schedule)


def forget(schedule: Schedule) -> Schedule:
    """The schedule without what was fitted: the same at every pace."""
    flat = {"patient": 0.25, "lapsed": 2.0, "longest": 5.0, "second_wave": 1.0}
    start = {name: (value,) * len(schedule.pace) for name, value in flat.items()}
    scalars = dict(zip(SCALARS, (1.5, 2.0, 4.0, 1.0, 1.0, 0.75), strict=True))
    return replace(schedule, **start, **scalars)


def hold_out(
    recordings: Sequence[Recording], key: Callable[[Recording], str], rounds: int, seeds: int
) -> dict[str, dict[str, Any]]:
    """Fit on each half of the keys and judge on the other: the gain over the best public rule, paired, by limit."""
    names = sorted({key(recording) for recording in recordings})
    random.Random(0).shuffle(names)
    first = set(names[::2])
    halves = [[r for r in recordings if (key(r) in first) == side] for side in (True, False)]
    start = forget(load_schedule())
    scores: dict[float, list[np.ndarray]] = {limit: [] for limit in LIMITS}
    for number, (fitted, judged) in enumerate((halves, halves[::-1])):
        schedule = search(Contests(fitted, range(seeds)), start, rounds, np.random.default_rng(number))
        for limit in LIMITS:
            scores[limit].append(_judge(judged, AdaptivePolicy(schedule), limit, 2 * seeds))
    return {str(limit): _compare(np.concatenate(parts, axis=1)) for limit, parts in scores.items()}


RIVALS = ("nemoskills", "imagination", "aimo3", "agree-35-percent", "huikang")
"""Public rules of which each is the best at some limit and throughput curve."""


def _judge(recordings: Sequence[Recording], policy: Policy, limit: float, seeds: int) -> np.ndarray:
    """Right answers of the policy and of its rivals in the same contests, (1 + rivals, contests), by the solver."""
    policies = [policy, *(PUBLIC[name] for name in RIVALS)]
    setting, cores = ContestSetting(limit), os.cpu_count() or 1
    return np.array([[p.right for p in contest_scores(recordings, x, setting, seeds, cores)] for x in policies])


def _compare(scores: np.ndarray) -> dict[str, Any]:
    best = 1 + int(scores[1:].mean(axis=1).argmax())
    gain = scores[0] - scores[best]
    return {
        "score": round(float(scores[0].mean()), 2),
        "best_public": RIVALS[best - 1],
        "gain": round(float(gain.mean()), 2),
        "gain_error": round(float(1.96 * gain.std(ddof=1) / np.sqrt(gain.size)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=4, help="of 300 schedules each")
    parser.add_argument("--seeds", type=int, default=40, help="contests a model")
    parser.add_argument("--hold-out", choices=("models", "problems"))
    parser.add_argument("--write", action="store_true", help=f"write {SCHEDULE_FILE.name}")
    arguments = parser.parse_args()
    recordings = read_votes(arguments.votes)
    if arguments.hold_out:
        key = (lambda r: r.model) if arguments.hold_out == "models" else (lambda r: r.id)
        print(json.dumps(hold_out(recordings, key, arguments.rounds, arguments.seeds)))
        return
    contests = Contests(recordings, range(arguments.seeds))
    schedule = search(contests, forget(load_schedule()), arguments.rounds, np.random.default_rng(0))
    if arguments.write:
        command = f"python benchmarks/fit_policy.py --votes {arguments.votes.name} --rounds {arguments.rounds} --write"
        SCHEDULE_FILE.write_text(json.dumps({"made_by": command} | asdict(schedule), indent=1) + "\n")
    fresh = Contests(recordings, range(1000, 1000 + arguments.seeds))
    print(json.dumps({str(limit): round(fresh.scores(schedule, limit, 24.0).mean(), 2) for limit in LIMITS}))


if __name__ == "__main__":
    main()

"""Contests replayed for many random draws of the recorded samples, and what that gives on average.

Every policy gets the same draws, so that results can be paired. Intervals are over drawn contests.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from fastmath.policies.plan import Policy
from fastmath.replay.forecast import SCORINGS, forecast_scores
from fastmath.replay.simulator import ContestScore, ContestSetting, play_contest
from fastmath.replay.votes import Recording, draw_contest

OURS = "default"
"""Name of the rule whose gains over the others are told."""


def by_model(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    """The recordings by model; models and recordings keep their order of appearance."""
    models: dict[str, list[Recording]] = {}
    for recording in recordings:
        models.setdefault(recording.model, []).append(recording)
    return models


def replay_contests(
    recordings: Sequence[Recording],
    policies: Mapping[str, Policy],
    settings: Sequence[ContestSetting],
    seeds: int,
    processes: int,
    scoring: str = "once",
) -> list[dict[str, Any]]:
    """Play `seeds` contests with the recordings of each model, the same ones by every rule under every limit.

    Args:
        recordings: recorded questions.
        policies: rules by name.
        settings: one a limit.
        seeds: number of contests a model.
        processes: number of worker processes, which share the contests.
        scoring: `once` or `twice`, see `fastmath.replay.forecast.SCORINGS`.

    Returns:
        One row a limit and rule: `policy`, `limit`, what `summarize_contests` says, and, where `OURS` is among the
        rules, `gain`: what it scores above this rule in the same contests, with its 95 % interval.
    """
    rows = []
    for setting in settings:
        played = {
            name: play_runs(recordings, policy, setting, seeds, processes, scoring) for name, policy in policies.items()
        }
        for name, runs in played.items():
            row = {"policy": name, "limit": setting.limit} | summarize_contests(runs)
            rows.append(row | (_pair(played[OURS], runs) if OURS in played and len(played) > 1 else {}))
    return rows


def _pair(ours: Sequence[Sequence[ContestScore]], theirs: Sequence[Sequence[ContestScore]]) -> dict[str, float]:
    """What our rule scores above another one in the same contests."""
    gains = [mine - other for mine, other in zip(mean_right(ours), mean_right(theirs), strict=True)]
    gain, low, high = mean_with_interval(gains)
    return {"gain": round(gain, 3), "gain_low": round(low, 3), "gain_high": round(high, 3)}


def play_runs(
    recordings: Sequence[Recording], policy: Policy, setting: ContestSetting, seeds: int, processes: int, scoring: str
) -> list[list[ContestScore]]:
    """Results of all contests, model by model, for each of the runs that the scoring counts (`SCORINGS`)."""
    return [contest_scores(recordings, policy, setting, seeds, processes, run) for run in range(SCORINGS[scoring])]


def mean_right(runs: Sequence[Sequence[ContestScore]]) -> list[float]:
    """Score of each contest: a question counts 1 if it is right in every run, 1/2 if it is in one of two."""
    return [statistics.fmean(played.right for played in contest) for contest in zip(*runs, strict=True)]


def summarize_contests(runs: Sequence[Sequence[ContestScore]]) -> dict[str, Any]:
    """What contests come to.

    Args:
        runs: results of the same contests, one list a run.

    Returns:
        `contests`, `score` (correct answers out of 50) with its 95 % interval, `seconds_used` and `limit_seconds`
        (virtual seconds, means over contests), `unanswered` (questions without a vote per contest), and how single
        contests scatter (`fastmath.replay.forecast`): `sigma`, `quantiles`, `at_least` and, of two runs,
        `rerun_sigma`.
    """
    scores, played = mean_right(runs), [played for run in runs for played in run]
    score, low, high = mean_with_interval(scores)
    return {
        "contests": len(scores),
        "score": round(score, 3),
        "score_low": round(low, 3),
        "score_high": round(high, 3),
        "seconds_used": round(statistics.fmean(each.seconds for each in played), 1),
        "limit_seconds": round(statistics.fmean(each.limit_seconds for each in played), 1),
        "unanswered": round(statistics.fmean(each.unanswered for each in played), 3),
    } | forecast_scores(scores, [[each.right for each in run] for run in runs])


def contest_scores(
    recordings: Sequence[Recording],
    policy: Policy,
    setting: ContestSetting,
    seeds: int,
    processes: int,
    run: int = 0,
    first: int = 0,
) -> list[ContestScore]:
    """Results of all contests, model by model; every policy gets the same draws, so that results can be paired.

    Args:
        recordings: recorded questions.
        policy: the rule.
        setting: limit, engine and samples.
        seeds: number of contests a model.
        processes: number of worker processes, which share the contests.
        run: number of the run on the same questions, from 0 on.
        first: seed of the first contest.
    """
    work = partial(_replay_seed, by_model(recordings), policy, setting, run)
    by_seed = map_items(work, range(first, first + seeds), processes)
    return [scores[model] for model in range(len(by_seed[0])) for scores in by_seed]


def _replay_seed(
    models: dict[str, list[Recording]], policy: Policy, setting: ContestSetting, run: int, seed: int
) -> list[ContestScore]:
    drawn = (draw_contest(rows, seed, setting.wanted_samples, run) for rows in models.values())
    return [play_contest(questions, policy, setting) for questions in drawn]


def map_items(work: Any, items: Sequence[Any], processes: int) -> list[Any]:
    """Results of `work` for each item, such as a seed, in their order, computed by `processes` processes."""
    if processes == 1 or len(items) == 1:
        return [work(item) for item in items]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, items, chunksize=max(1, len(items) // (4 * processes))))


def mean_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low and high end of its normal 95 % interval; for a single value all three are that value."""
    mean = statistics.fmean(values)
    error = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean, mean - error, mean + error

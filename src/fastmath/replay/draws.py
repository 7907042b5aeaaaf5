"""Questions and contests replayed for many random draws of the recorded samples, and what that gives on average.

Every policy gets the same draws, so that results can be paired.
"""

import math
import random
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from fastmath.policies.plan import Policy
from fastmath.policies.public import PublicPolicy
from fastmath.replay.simulator import ContestScore, ContestSetting, play_contest, play_unhurried
from fastmath.replay.votes import Recording, draw_contest, draw_samples


def by_model(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    """The recordings by model; models and recordings keep their order of appearance."""
    models: dict[str, list[Recording]] = {}
    for recording in recordings:
        models.setdefault(recording.model, []).append(recording)
    return models


def replay_questions(
    recordings: Sequence[Recording], policy: Policy, samples: int, seeds: int, processes: int
) -> dict[str, Any]:
    """Replay every question once for each of `seeds` seeds without a time limit, beside full votes on the same samples.

    Returns:
        `questions`, `accuracy` with its 95 % interval over questions, `tokens` and `wall` (mean tokens and mean engine
        steps per question), and both as ratios to those of the full vote.
    """
    work = partial(_replay_pass, recordings, policy, samples)
    passes = _map_seeds(work, range(seeds), processes)
    # Averaged per question first, because replays of one question with several seeds are not independent questions.
    accuracies = [statistics.fmean(row[0] for row in rows) for rows in zip(*passes, strict=True)]
    accuracy, low, high = _mean_with_interval(accuracies)
    tokens, steps, full_tokens, full_steps = (
        statistics.fmean(row[column] for rows in passes for row in rows) for column in range(1, 5)
    )
    return {
        "questions": len(recordings),
        "accuracy": round(accuracy, 4),
        "accuracy_low": round(max(low, 0.0), 4),
        "accuracy_high": round(min(high, 1.0), 4),
        "tokens": round(tokens, 1),
        "wall": round(steps, 1),
        "tokens_ratio": round(tokens / full_tokens, 4),
        "wall_ratio": round(steps / full_steps, 4),
    }


def _replay_pass(
    recordings: Sequence[Recording], policy: Policy, samples: int, seed: int
) -> list[tuple[float, float, float, float, float]]:
    """For each recording, in order: right, tokens, steps, tokens of the full vote, steps of the full vote."""
    rng = random.Random(seed)
    drawn = [draw_samples(recording, samples, rng) for recording in recordings]
    results: dict[int, tuple[float, float, float, float, float]] = {}
    for model in dict.fromkeys(recording.model for recording in recordings):
        places = [place for place, recording in enumerate(recordings) if recording.model == model]
        rng.shuffle(places)  # the gateway asks in random order, and a policy learns from earlier questions
        questions = [drawn[place] for place in places]
        full = play_unhurried(questions, PublicPolicy())
        for place, ours, all_ in zip(places, play_unhurried(questions, policy), full, strict=True):
            results[place] = (float(ours.right), ours.tokens, ours.steps, all_.tokens, all_.steps)
    return [results[place] for place in range(len(recordings))]


def replay_contests(
    recordings: Sequence[Recording], policy: Policy, setting: ContestSetting, seeds: int, processes: int
) -> dict[str, Any]:
    """Play `seeds` contests with the recordings of each model; `processes` workers share them.

    Returns:
        `contests`, `score` (correct answers out of 50) with its 95 % interval, `seconds_used` and `limit_seconds`
        (virtual seconds, means over contests), and `unanswered` (questions without a vote per contest).
    """
    scores = contest_scores(recordings, policy, setting, seeds, processes)
    score, low, high = _mean_with_interval([played.right for played in scores])
    return {
        "contests": len(scores),
        "score": round(score, 3),
        "score_low": round(low, 3),
        "score_high": round(high, 3),
        "seconds_used": round(statistics.fmean(played.seconds for played in scores), 1),
        "limit_seconds": round(statistics.fmean(played.limit_seconds for played in scores), 1),
        "unanswered": round(statistics.fmean(played.unanswered for played in scores), 3),
    }


def contest_scores(
    recordings: Sequence[Recording], policy: Policy, setting: ContestSetting, seeds: int, processes: int
) -> list[ContestScore]:
    """Results of all contests, model by model; every policy gets the same draws, so that results can be paired."""
    by_seed = _map_seeds(partial(_replay_seed, by_model(recordings), policy, setting), range(seeds), processes)
    return [scores[model] for model in range(len(by_seed[0])) for scores in by_seed]


def _replay_seed(
    models: dict[str, list[Recording]], policy: Policy, setting: ContestSetting, seed: int
) -> list[ContestScore]:
    drawn = (draw_contest(rows, seed, setting.wanted_samples) for rows in models.values())
    return [play_contest(questions, policy, setting) for questions in drawn]


def _map_seeds(work: Any, seeds: range, processes: int) -> list[Any]:
    """Results of `work` for each seed, in the order of the seeds, computed by `processes` processes."""
    if processes == 1 or len(seeds) == 1:
        return [work(seed) for seed in seeds]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, seeds, chunksize=max(1, len(seeds) // (4 * processes))))


def _mean_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low and high end of its normal 95 % interval; for a single value all three are that value."""
    mean = statistics.fmean(values)
    error = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean, mean - error, mean + error

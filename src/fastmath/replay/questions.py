"""Single questions replayed without a clock, beside full votes on the same samples.

Every rule gets the same draws. Intervals are over problems; what several models sampled for one of them counts as one
observation.
"""

import random
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fastmath.policies.plan import Policy
from fastmath.policies.public import PublicPolicy
from fastmath.replay.draws import map_items, mean_with_interval
from fastmath.replay.simulator import Played, play_unhurried
from fastmath.replay.votes import Recording, draw_samples


def replay_questions(
    recordings: Sequence[Recording], policies: Mapping[str, Policy], samples: int, seeds: int, processes: int
) -> list[dict[str, Any]]:
    """Replay every question once by every rule for each of `seeds` seeds, and by the full vote.

    Returns:
        One row a rule: `policy`, `n` (the samples), `questions`, `accuracy` with its 95 % interval, `points`, what the
        rule has above the full vote in percentage points, with its own, `tokens` and `wall` (mean tokens and mean
        engine steps per question), and both as ratios to those of the full vote.
    """
    passes = map_items(partial(_replay_pass, recordings, policies, samples), range(seeds), processes)
    full = [full for full, _ in passes]
    return [
        {"policy": name, "n": samples, "questions": len(recordings)}
        | _summarize(recordings, [played[name] for _, played in passes], full)
        for name in policies
    ]


def _replay_pass(
    recordings: Sequence[Recording], policies: Mapping[str, Policy], samples: int, seed: int
) -> tuple[list[Played], dict[str, list[Played]]]:
    """Results of the full vote and of every rule, in the order of the recordings."""
    rng = random.Random(seed)
    drawn = [draw_samples(recording, samples, rng) for recording in recordings]
    played = {name: play_unhurried(drawn, policy) for name, policy in policies.items()}
    return play_unhurried(drawn, PublicPolicy()), played


def _summarize(
    recordings: Sequence[Recording], played: Sequence[Sequence[Played]], full: Sequence[Sequence[Played]]
) -> dict[str, Any]:
    right: dict[str, list[float]] = {}
    gained: dict[str, list[float]] = {}
    for ours, theirs in zip(played, full, strict=True):
        for recording, mine, other in zip(recordings, ours, theirs, strict=True):
            right.setdefault(recording.id, []).append(mine.right)
            gained.setdefault(recording.id, []).append(100.0 * (mine.right - other.right))
    # Averaged per problem first, because several draws and models of one problem are not independent problems.
    accuracy, low, high = mean_with_interval([statistics.fmean(each) for each in right.values()])
    points, points_low, points_high = mean_with_interval([statistics.fmean(each) for each in gained.values()])
    (tokens, steps), (full_tokens, full_steps) = _mean_costs(played), _mean_costs(full)
    return {
        "accuracy": round(accuracy, 4),
        "accuracy_low": round(max(low, 0.0), 4),
        "accuracy_high": round(min(high, 1.0), 4),
        "points": round(points, 3),
        "points_low": round(points_low, 3),
        "points_high": round(points_high, 3),
        "tokens": round(tokens, 1),
        "wall": round(steps, 1),
        "tokens_ratio": round(tokens / full_tokens, 4),
        "wall_ratio": round(steps / full_steps, 4),
    }


def _mean_costs(passes: Sequence[Sequence[Played]]) -> tuple[float, float]:
    """Mean tokens and mean engine steps of a question."""
    played = [each for rows in passes for each in rows]
    return statistics.fmean(each.tokens for each in played), statistics.fmean(each.steps for each in played)

"""The forecast of a contest's score: what one contest may bring, where a replay of many gives the mean.

Two things scatter a score. Another contest has other questions, and another run of the same kernel on the same ones
draws other samples. `sigma` holds both; `rerun_sigma`, which wants two runs, the second alone: two runs of one kernel
differ by the square root of 2 times as much.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

SCORINGS = {"once": 1, "twice": 2}
"""Scoring → number of runs whose mean counts. AIMO3 asks its private questions twice: both right 1, one right 0.5."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def forecast_scores(scores: Sequence[float], runs: Sequence[Sequence[int]] = ()) -> dict[str, Any]:
    """How the scores of single contests scatter.

    Args:
        scores: score of each contest, at least one.
        runs: right answers of the same contests, one list a run.

    Returns:
        `sigma`, the standard deviation of a score; `quantiles`, quantile → score, the least that so large a part of the
        contests does not pass; `at_least`, k → part of the contests with a score of at least k, for every whole k from
        the least score to the greatest; and, where there are two runs, `rerun_sigma`, the standard deviation of a run
        on given questions.

    Example: the scores 30, 30, 32 and 34 have the median 30; all are at least 30, half at least 31. Two contests with
    runs of 30 and 34 right answers, and of 31 and 31, differ by 4 and 0: sqrt((4^2 + 0^2) / 2 / 2) = 2.
    """
    ordered = sorted(scores)
    reached = range(math.floor(ordered[0]), math.floor(ordered[-1]) + 1)
    forecast: dict[str, Any] = {
        "sigma": round(statistics.stdev(scores), 3) if len(scores) > 1 else 0.0,
        "quantiles": {
            f"{quantile:g}": ordered[max(math.ceil(quantile * len(ordered)) - 1, 0)] for quantile in QUANTILES
        },
        "at_least": {str(least): round(chance_of_at_least(scores, least), 4) for least in reached},
    }
    if len(runs) == 2:
        squares = [(first - second) ** 2 for first, second in zip(*runs, strict=True)]
        forecast["rerun_sigma"] = round(math.sqrt(statistics.fmean(squares) / 2), 3)
    return forecast


def chance_of_at_least(scores: Sequence[float], least: float) -> float:
    """Part of the contests that reach a score.

    Example: of 30, 30, 32 and 34, half are at least 31.
    """
    return sum(score >= least for score in scores) / len(scores)

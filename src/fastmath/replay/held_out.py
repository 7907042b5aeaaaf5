"""Judging fitted numbers of the kernel's own rule on recordings that they were not fitted to."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fastmath.policies.adaptive import AdaptivePolicy, Schedule
from fastmath.policies.public import COMPARED, PUBLIC
from fastmath.replay.draws import contest_scores, mean_with_interval
from fastmath.replay.fitting import FitSetting, Sets, fit_schedule
from fastmath.replay.simulator import CONTEST_SAMPLES, ContestSetting
from fastmath.replay.votes import Recording, VotesFileError, require_samples

FEWEST_PROBLEMS = 10
"""Smallest number of problems in a set: a fit is judged on half of them."""
FRESH = 1000
"""Seed of the first contest on which a fit is judged; a fit's own begin at 0."""


def fit_and_judge(
    sets: Sets, start: Schedule, setting: FitSetting, processes: int
) -> tuple[Schedule, list["Judgement"]]:
    """Fit a schedule to all recordings, and judge fits to half of the problems on the other half, both ways.

    Raises:
        fastmath.replay.votes.VotesFileError: as `check_sets`.
    """
    check_sets(sets, setting.samples)
    halves = split_problems(sets)
    parts: list[tuple[Sequence[Recording], Schedule]] = []
    for fitted_to, judged in (halves, halves[::-1]):
        schedule = fit_schedule(fitted_to, start, setting, processes)
        parts += [(recordings, schedule) for recordings in judged.values()]
    return fit_schedule(sets, start, setting, processes), judge(parts, start, setting, processes)


def check_sets(sets: Sets, samples: int) -> None:
    """Refuse recordings that are too few to fit to.

    Raises:
        fastmath.replay.votes.VotesFileError: a question has fewer samples than a draw takes, or a set too few problems.
    """
    for name, recordings in sets.items():
        for recording in recordings:
            require_samples(recording, max(samples, CONTEST_SAMPLES))
        problems = len({recording.id for recording in recordings})
        if problems < FEWEST_PROBLEMS:
            raise VotesFileError(
                f"{name} has {problems} problems; want at least {FEWEST_PROBLEMS}, half of which a fit is judged on"
            )


def note_few(sets: Sets, samples: int) -> list[str]:
    """What has to be known of recordings that hold little more than one draw of each question."""
    notes = []
    for name, recordings in sets.items():
        fewest, drawn = min(len(recording.samples) for recording in recordings), max(samples, CONTEST_SAMPLES)
        if fewest < 2 * drawn:
            notes.append(
                f"{name}: a question has {fewest} samples, and a draw takes {drawn}, so that contests differ by their "
                f"questions and by the order of few samples; want at least {2 * drawn}"
            )
    return notes


def split_problems(sets: Sets) -> tuple[Sets, Sets]:
    """Two halves of the recordings with other problems in each, the problems of every set halved at random."""
    halves: tuple[dict[str, list[Recording]], dict[str, list[Recording]]] = ({}, {})
    for name, recordings in sets.items():
        problems = sorted({recording.id for recording in recordings})
        random.Random(0).shuffle(problems)
        first = set(problems[::2])
        for half, is_first in zip(halves, (True, False), strict=True):
            half[name] = [recording for recording in recordings if (recording.id in first) == is_first]
    return halves


@dataclass(frozen=True)
class Judgement:
    """What a fitted schedule scores on recordings to which it was not fitted, in contests of one limit.

    Attributes:
        limit: the time limit.
        score: right answers of a contest.
        best_public: the public rule with the best score.
        gain: what the schedule scores above it, with the ends of its 95 % interval.
        gain_on_start: what it scores above the schedule from which the fit began, likewise.
    """

    limit: float
    score: float
    best_public: str
    gain: tuple[float, float, float]
    gain_on_start: tuple[float, float, float]


def judge(
    parts: Sequence[tuple[Sequence[Recording], Schedule]], start: Schedule, setting: FitSetting, processes: int
) -> list[Judgement]:
    """Play contests of recordings with the schedules that were fitted without them.

    Args:
        parts: recordings, and the schedule that was fitted to others.
        start: the schedule from which the fits began.
        setting: limits, engines and number of contests.
        processes: number of worker processes.

    Returns:
        One judgement a limit, over all parts and engines.
    """
    judgements = []
    for limit in setting.limits:
        scores: dict[str, list[float]] = {}
        for recordings, schedule in parts:
            rules = {"fitted": AdaptivePolicy(schedule), "start": AdaptivePolicy(start)}
            rules |= {name: PUBLIC[name] for name in COMPARED}
            for slowdown in setting.slowdowns:
                contest = ContestSetting(limit, slowdown, setting.samples)
                for name, policy in rules.items():
                    seeds = setting.seeds(recordings)
                    played = contest_scores(recordings, policy, contest, seeds, processes, first=FRESH)
                    scores.setdefault(name, []).extend(each.right for each in played)
        best = max(COMPARED, key=lambda name: statistics.fmean(scores[name]))
        gain, on_start = (
            [a - b for a, b in zip(scores["fitted"], scores[name], strict=True)] for name in (best, "start")
        )
        score = statistics.fmean(scores["fitted"])
        judgements.append(Judgement(limit, score, best, mean_with_interval(gain), mean_with_interval(on_start)))
    return judgements

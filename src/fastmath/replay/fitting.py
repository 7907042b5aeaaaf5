"""Fitting the numbers of the kernel's own rule to recorded samples, by the solver that plays them.

Three of the four numbers decide under a clock. They are fitted one after the other: each is tried at the values of
`GRID`, all rules play the same contests, and the best value takes the place of the one before only if its gain is
larger than its standard error and worth a tenth of an answer, so that few recordings, and exams that hardly tell the
values apart, leave the numbers as they were. The fourth, the risk, decides alone where there is no clock: it is the
largest of `RISKS` with which the vote loses at most `MOST_LOST` points against the full vote in every set.

Every set counts as much as any other, and in a set every model, however many problems were recorded of it.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from fastmath.policies.adaptive import AdaptivePolicy, Schedule
from fastmath.replay.draws import by_model, map_items
from fastmath.replay.questions import replay_questions
from fastmath.replay.simulator import CONTEST_SAMPLES, ContestSetting, play_contest
from fastmath.replay.votes import Recording, draw_contest

GRID = {
    "patience": (0.6, 0.8, 1.0, 1.25, 1.6, 2.0),
    "first_wave": (1 / 8, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2),
    "give_up": (1.5, 2.0, 2.5, 3.0, 4.0, 6.0),
}
"""Values that are tried, by the name of the number."""
RISKS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
MOST_LOST = 0.2
"""Percentage points that the vote may lose against the full vote without a clock, in any set of recordings."""
LEAST_GAIN = 0.1
"""Right answers of 50 that another value must gain."""
ROUNDS = 3
"""Largest number of times that all numbers are tried."""
Sets = Mapping[str, Sequence[Recording]]
"""Name of a set of recordings, such as an exam → its recordings."""
Group = tuple[str, str]
"""A set and a model."""


@dataclass(frozen=True)
class FitSetting:
    """On what a schedule is fitted.

    Attributes:
        slowdowns: batch sizes that double the time of an engine step, each of which counts alike.
        limits: time limits, as shares of the time of full votes, each of which counts alike.
        samples: most samples per question.
        contests: number of contests of a set, shared by its models.
        question_seeds: number of draws of every question without a clock.
    """

    slowdowns: tuple[float, ...] = (24.0,)
    limits: tuple[float, ...] = (0.2, 0.3, 0.5, 0.8, 1.0)
    samples: int = CONTEST_SAMPLES
    contests: int = 60
    question_seeds: int = 20

    @property
    def clocks(self) -> list[ContestSetting]:
        """Every limit on every engine."""
        return [ContestSetting(limit, slow, self.samples) for slow in self.slowdowns for limit in self.limits]

    def seeds(self, recordings: Sequence[Recording]) -> int:
        """Number of contests of each model of a set."""
        return math.ceil(self.contests / len({recording.model for recording in recordings}))


@dataclass
class Bench:
    """Drawn contests, and what schedules have scored in them.

    Attributes:
        sets: the recordings.
        setting: on what a schedule is fitted.
        processes: number of worker processes.
    """

    sets: Sets
    setting: FitSetting
    processes: int
    _contests: dict[Group, list[list[Recording]]] = field(init=False)
    _scores: dict[Schedule, dict[Group, list[float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = ContestSetting(1.0, samples=self.setting.samples).wanted_samples
        self._contests = {
            (name, model): [draw_contest(rows, seed, wanted) for seed in range(self.setting.seeds(recordings))]
            for name, recordings in self.sets.items()
            for model, rows in by_model(recordings).items()
        }

    @property
    def groups(self) -> list[Group]:
        """Every set with every model that was recorded in it."""
        return list(self._contests)

    def scores(self, schedule: Schedule) -> dict[Group, list[float]]:
        """Right answers of each contest, the mean over limits and engines, by group."""
        if schedule not in self._scores:
            contests = [contest for drawn in self._contests.values() for contest in drawn]
            work = partial(_score, AdaptivePolicy(schedule), self.setting.clocks)
            flat = iter(map_items(work, contests, self.processes))
            self._scores[schedule] = {group: [next(flat) for _ in drawn] for group, drawn in self._contests.items()}
        return self._scores[schedule]

    def gain(self, ours: Schedule, theirs: Schedule, groups: Iterable[Group]) -> tuple[float, float]:
        """What one schedule scores above another in the same contests, and the standard error of that."""
        kept = list(groups)
        names = dict.fromkeys(name for name, _ in kept)
        gain = variance = 0.0
        for group in kept:
            weight = 1 / len(names) / sum(name == group[0] for name, _ in kept)
            pairs = zip(self.scores(ours)[group], self.scores(theirs)[group], strict=True)
            gains = [mine - other for mine, other in pairs]
            gain += weight * statistics.fmean(gains)
            variance += weight**2 * (statistics.variance(gains) / len(gains) if len(gains) > 1 else 0.0)
        return gain, math.sqrt(variance)


def _score(policy: AdaptivePolicy, settings: Sequence[ContestSetting], contest: Sequence[Recording]) -> float:
    return statistics.fmean(play_contest(contest, policy, setting).right for setting in settings)


def fit_clock(bench: Bench, start: Schedule, groups: Iterable[Group] | None = None) -> Schedule:
    """The schedule whose numbers of the clock score best in some groups (None: in all), from `start` on."""
    kept = bench.groups if groups is None else list(groups)
    best = start
    for _ in range(ROUNDS):
        before = best
        for name, values in GRID.items():
            current = best
            gains = {value: bench.gain(replace(current, **{name: value}), current, kept) for value in values}
            value = max(gains, key=lambda each: gains[each][0])
            gain, error = gains[value]
            if gain > max(error, LEAST_GAIN):
                best = replace(current, **{name: value})
        if best == before:
            break
    return best


def measure_losses(
    recordings: Sequence[Recording], start: Schedule, setting: FitSetting, processes: int
) -> dict[float, float]:
    """Percentage points that the vote loses against the full vote without a clock, by each of `RISKS`.

    Votes of 16 and 32 samples are replayed, where so many are recorded; what counts is the larger loss.
    """
    rules = {str(risk): AdaptivePolicy(replace(start, risk=risk)) for risk in RISKS if risk <= start.risk}
    fewest = min(len(recording.samples) for recording in recordings)
    rows = [
        row
        for samples in (setting.samples, 2 * setting.samples)
        if rules and samples <= fewest
        for row in replay_questions(recordings, rules, samples, setting.question_seeds, processes)
    ]
    return {float(risk): max((-row["points"] for row in rows if row["policy"] == risk), default=0.0) for risk in rules}


def choose_risk(losses: Iterable[Mapping[float, float]], start: Schedule) -> Schedule:
    """`start` with the largest risk up to which no set loses more than `MOST_LOST` points, and never a larger one.

    A few hundred problems cannot show that a larger risk is safe than one that was measured on more.

    Args:
        losses: what `measure_losses` says of each set.
        start: the schedule whose risk is lowered.
    """
    unsafe = {risk for each in losses for risk, lost in each.items() if lost > MOST_LOST}
    safe = [risk for risk in RISKS if risk <= start.risk and all(risk < other for other in unsafe)]
    return replace(start, risk=max(safe, default=min(RISKS)))


def fit_schedule(sets: Sets, start: Schedule, setting: FitSetting, processes: int) -> Schedule:
    """Fit all four numbers to all recordings, from `start` on.

    Raises:
        fastmath.replay.votes.VotesFileError: a question has fewer samples than a draw takes.
    """
    losses = [measure_losses(recordings, start, setting, processes) for recordings in sets.values()]
    return fit_clock(Bench(sets, setting, processes), choose_risk(losses, start))

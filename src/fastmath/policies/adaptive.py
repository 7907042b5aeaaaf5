"""How a question is decided: how many samples, until when, and on which vote it is stopped.

A policy looks at the clock and at what the contest's earlier questions have shown, and makes a `Plan` for the next,
which `fastmath.kernel.solver` carries out. The kernel's own is `AdaptivePolicy`; those of public kernels stand in
`fastmath.policies.public`, and `fastmath replay` plays them all on recorded samples.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastmath.policies.clock import TimeLeft
from fastmath.policies.plan import History, Patience, Plan
from fastmath.policies.voting import Ballot, leading_weights

SCHEDULE_FILE = Path(__file__).with_name("schedule.json")
MOST_SAMPLES = 16
"""Samples a question that the schedule was fitted for."""


@dataclass(frozen=True)
class LeadStep:
    """What decides by votes alone from this agreement on.

    Attributes:
        agreement: the least.
        lead: votes of lead that decide in a contest, where time that is left over buys nothing.
        unhurried_lead: the same without a clock, where tokens are what is saved;
        most_votes: votes that decide there with any leader.
    """

    agreement: float
    lead: int
    unhurried_lead: int
    most_votes: int


@dataclass(frozen=True)
class Schedule:
    """Parameters of `AdaptivePolicy`.

    The rows by knot, `split`, `batch_…` and `prior_…` are fitted by `benchmarks/fit_policy.py`, the others were chosen.

    Attributes:
        pace: knots of the schedule. The pace of a question is its even share of the time that is left, in mean waits
            for a first vote so far. Between knots values are interpolated in the logarithm of the pace.
        patient: shares until which `certainty` is asked of the vote; by knot, as the next three.
        lapsed: shares at which any leader will do.
        longest: shares that a question may take.
        second_wave: shares until which a split vote starts the rest of the samples.
        floor_share: part of the contest's even share that is kept for each later question.
        certainty: posterior at which a vote counts as certain.
        split: posterior below which a vote counts as split.
        batch_divisor: the first wave is slowdown / batch_divisor samples,
        batch_growth, batch_pace: times (pace / batch_pace) ** batch_growth where the pace is higher than that.
        prior_pace, prior_weight: the pace expected before the first question, and the first votes that it counts for.
        leads: by the share of earlier questions whose first three votes agreed, from high to low.
        opening_prior, opening_weight: that share before the first question, and the questions that it counts for.
    """

    pace: tuple[float, ...]
    patient: tuple[float, ...]
    lapsed: tuple[float, ...]
    longest: tuple[float, ...]
    second_wave: tuple[float, ...]
    floor_share: float
    certainty: float
    split: float
    batch_divisor: float
    batch_growth: float
    batch_pace: float
    prior_pace: float
    prior_weight: float
    leads: tuple[LeadStep, ...]
    opening_prior: float
    opening_weight: float

    def at(self, row: tuple[float, ...], pace: float) -> float:
        """A row's value at a pace, which may be infinite.

        Example: knots 1 and 4, values 2 and 6: at pace 2, half of the way in the logarithm, it is 4.
        """
        if pace <= self.pace[0]:
            return row[0]
        for left, right, before, after in zip(self.pace, self.pace[1:], row, row[1:], strict=False):
            if pace <= right:
                part = math.log(pace / left) / math.log(right / left)
                return before * (1 - part) + after * part
        return row[-1]

    def first_wave(self, pace: float, samples: int, slowdown: float) -> int:
        """Samples that start at once.

        Example: slowdown 24, divisor 4, growth 2 above a pace of 1: 24 / 4 = 6 up to there, 6 * 1.5 ** 2 = 13.5, so
        14, at a pace of 1.5.
        """
        if math.isinf(pace):
            return samples
        growth = max(pace / self.batch_pace, 1.0) ** self.batch_growth
        # Twice the samples of the fit may start twice as many.
        wanted = min(MOST_SAMPLES, slowdown / self.batch_divisor) * growth * samples / MOST_SAMPLES
        return min(samples, max(2, math.floor(wanted + 0.5)))

    def lead(self, agreement: float) -> LeadStep:
        """The lead asked for where so many earlier questions began with three equal votes."""
        return next((step for step in self.leads if agreement >= step.agreement), self.leads[-1])


def read_schedule(content: Mapping[str, Any]) -> Schedule:
    """A schedule from its JSON object; `made_by`, the command that fitted it, is not part of it."""
    rows = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    rows.pop("made_by", None)
    return Schedule(**rows | {"leads": tuple(LeadStep(**step) for step in content["leads"])})


def load_schedule(path: Path = SCHEDULE_FILE) -> Schedule:
    """The schedule that travels with the package."""
    return read_schedule(json.loads(path.read_text()))


@dataclass(frozen=True)
class AdaptivePolicy:
    """The kernel's own: spend on a question what the clock and the contest so far make it worth.

    With little time the first vote is answered, however long a question has to be waited for: time is what is scarce,
    and a question that is given up has cost as much as one that is answered. With more time the vote has to be the more
    certain the earlier it is answered, and more samples start. With ample time a lead of a few votes decides, of the
    more the more often the first votes of this contest's questions disagree. Without a clock a smaller lead is enough,
    and so are ten votes with a leader: a question that is still open then is seldom saved by more of them.
    """

    schedule: Schedule

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        schedule = self.schedule
        pace = self._pace(time, history)
        agreement = (history.unanimous + schedule.opening_weight * schedule.opening_prior) / (
            history.openings + schedule.opening_weight
        )
        step = schedule.lead(agreement)
        first = schedule.first_wave(pace, samples, slowdown)
        patient = schedule.at(schedule.patient, pace)
        lapsed = max(patient, schedule.at(schedule.lapsed, pace))
        return Plan(
            allotment=time.allot(
                schedule.at(schedule.longest, pace) * time.share, floor=schedule.floor_share * time.even_share
            ),
            first=first,
            second=samples - first,
            split=schedule.split,
            second_until=time.now + schedule.at(schedule.second_wave, pace) * time.share,
            stop=partial(_decide_by_lead, step, math.isinf(time.share)),
            patience=Patience(
                schedule.certainty,
                # Where time is unlimited, so is patience, whatever part of it that is.
                math.inf if math.isinf(time.share) else time.now + patient * time.share,
                time.now + lapsed * time.share,
            ),
            provable=True,
        )

    def _pace(self, time: TimeLeft, history: History) -> float:
        if math.isinf(time.share):
            return math.inf
        schedule = self.schedule
        expected = schedule.prior_weight * time.even_share / schedule.prior_pace
        wait = (expected + history.seconds_to_first_votes) / (schedule.prior_weight + history.first_votes)
        return max(time.share / wait, 1e-6) if wait > 0 else math.inf


def _decide_by_lead(step: LeadStep, unhurried: bool, ballot: Ballot) -> str | None:
    leader, runner_up = leading_weights(ballot.tally)
    if leader - runner_up >= (step.unhurried_lead if unhurried else step.lead):
        return "lead"
    enough = unhurried and leader > runner_up and len(ballot.votes) >= step.most_votes
    return "most votes" if enough else None

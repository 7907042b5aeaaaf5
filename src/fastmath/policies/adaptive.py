"""The kernel's own policy: how many samples a question gets, how much time, and which vote stops it.

A policy reads the clock and the history of the contest's earlier questions, and makes a `Plan` for the next question,
which `fastmath.kernel.solver` carries out. `AdaptivePolicy` is the kernel's default; `fastmath.policies.public` holds
the rules of public kernels, and `fastmath replay` compares them all on recorded samples.
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
"""Number of samples per question for which the schedule was fitted."""


@dataclass(frozen=True)
class LeadStep:
    """The lead that decides a vote in contests whose samples agree at least this much.

    Attributes:
        agreement: smallest agreement to which this step applies: the share of the contest's earlier questions whose
            first three votes were equal, see `Schedule.leads`.
        lead: lead over the runner-up, in votes, that decides a question under a clock, where unused time is worth
            nothing in the end.
        unhurried_lead: the same without a clock, where an early decision saves tokens.
        most_votes: number of votes that decides a question without a clock, however small the lead.
    """

    agreement: float
    lead: int
    unhurried_lead: int
    most_votes: int


@dataclass(frozen=True)
class Schedule:
    """Parameters of `AdaptivePolicy`.

    `patient`, `lapsed`, `longest` and `second_wave` hold one value per knot of `pace`, in shares: 1 is the question's
    even share of the time that is left. They, `split`, `batch_…` and `prior_…` are fitted by
    `benchmarks/fit_policy.py`; the others were chosen by hand.

    Attributes:
        pace: knots of the schedule. The pace of a question is its even share of the time that is left, divided by the
            contest's mean wait for a first vote. Between knots values are interpolated in the logarithm of the pace.
        patient: time until which only a vote of posterior `certainty` is answered.
        lapsed: time from which any leader is answered.
        longest: longest time that a question may take.
        second_wave: time until which a split vote starts the rest of the samples.
        floor_share: time kept for each later question, as a part of the contest's even share.
        certainty: posterior at which a vote counts as certain and is answered at once.
        split: posterior below which a vote counts as split.
        batch_divisor: the first wave has slowdown / batch_divisor samples, more at a pace above `batch_pace`.
        batch_growth: exponent of that increase: times (pace / batch_pace) ** batch_growth.
        batch_pace: pace above which the first wave grows.
        prior_pace: pace expected before the first question.
        prior_weight: number of observed first votes that `prior_pace` weighs as much as.
        leads: leads that decide a vote, from the highest agreement to the lowest.
        opening_prior: agreement expected before the first question.
        opening_weight: number of observed questions that `opening_prior` weighs as much as.
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
        """Value of one row of the schedule at a pace, which may be infinite.

        Example: knots 1 and 4, values 2 and 6: pace 2 is halfway in the logarithm, so the value is 4.
        """
        if pace <= self.pace[0]:
            return row[0]
        for left, right, before, after in zip(self.pace, self.pace[1:], row, row[1:], strict=False):
            if pace <= right:
                part = math.log(pace / left) / math.log(right / left)
                return before * (1 - part) + after * part
        return row[-1]

    def first_wave(self, pace: float, samples: int, slowdown: float) -> int:
        """Number of samples that start at once: at least 2, at most `samples`.

        Example: slowdown 24, divisor 4, growth 2 above a pace of 1: 24 / 4 = 6 samples up to a pace of 1, and
        6 * 1.5 ** 2 = 13.5, rounded to 14, at a pace of 1.5.
        """
        if math.isinf(pace):
            return samples
        growth = max(pace / self.batch_pace, 1.0) ** self.batch_growth
        # With twice the samples that the schedule was fitted for, twice as many start.
        wanted = min(MOST_SAMPLES, slowdown / self.batch_divisor) * growth * samples / MOST_SAMPLES
        return min(samples, max(2, math.floor(wanted + 0.5)))

    def lead(self, agreement: float) -> LeadStep:
        """The step for a contest of this agreement: the first of `leads` whose own agreement is not higher."""
        return next((step for step in self.leads if agreement >= step.agreement), self.leads[-1])


def read_schedule(content: Mapping[str, Any]) -> Schedule:
    """Build a schedule from its JSON object; `made_by`, the command that fitted it, is dropped."""
    rows = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    rows.pop("made_by", None)
    return Schedule(**rows | {"leads": tuple(LeadStep(**step) for step in content["leads"])})


def load_schedule(path: Path = SCHEDULE_FILE) -> Schedule:
    """Read a schedule from a JSON file, by default the one that is part of the package."""
    return read_schedule(json.loads(path.read_text()))


@dataclass(frozen=True)
class AdaptivePolicy:
    """The kernel's default: time and samples per question by the clock and by the contest's earlier questions.

    With little time, the first vote is answered, however late it comes: time is scarce, and giving up a question costs
    as much time as answering it. With more time, more samples start, and the earlier a vote is answered, the more
    certain it has to be. With ample time, a lead of a few votes decides; the more often the first votes of this
    contest's questions disagree, the larger the lead has to be. Without a clock a smaller lead is enough, and so is
    any lead after `most_votes` votes: more votes seldom save a question that is still open then.
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
                # Without a clock patience is unlimited, even where `patient` is 0 (0 * inf would be NaN).
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

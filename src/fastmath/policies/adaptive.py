"""The kernel's own policy: how many samples a question gets, how much time, and which vote stops it.

A policy reads the clock and the history of the contest's earlier questions, and makes a `Plan` for the next question,
which `fastmath.kernel.solver` carries out. `AdaptivePolicy` is the kernel's default; `fastmath.policies.public` holds
the rules of public kernels, `fastmath replay` compares them all on recorded samples, and `fastmath replay-fit` fits the
four numbers of a `Schedule` to them.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fastmath.policies.clock import TimeLeft
from fastmath.policies.plan import History, Patience, Plan

SCHEDULE_FILE = Path(__file__).with_name("schedule.json")
SPLIT = 0.75
"""Posterior of one vote against none; a vote of at least two samples below it has a rival, and counts as split."""
FEWEST_FIRST = 3
"""Smallest first wave: of two votes neither can outvote the other."""
PATIENCE_EXPONENT = 1.5
"""Power of the pace with which patience grows: with 1, first votes are answered although there is time for all where
samples end at about the same time; with 2, engines that batches slow down wait too long."""
HIGHEST_PACE = 3.0
"""Pace from which a question's time no longer grows with it."""


@dataclass(frozen=True)
class Schedule:
    """The numbers of `AdaptivePolicy`, each above 0.

    Pace is the question's even share of the time that is left, divided by the contest's mean wait for a first vote.

    Attributes:
        risk: chance that the samples to come overturn a leader, at which it is answered, see
            `fastmath.policies.voting.settle`.
        patience: time after which any leader is answered, in even shares times the pace to the power of 1.5.
        first_wave: how much longer the samples that start at once may make an engine step, at a pace of up to 1; their
            number grows with the square of the pace, as the time does that a question may take, counted in waits.
        give_up: time after which a question without a leader is given up, in mean waits for a first vote, or in even
            shares times the pace where that is longer.
        slowdown: batch size that doubles the time of an engine step, where it was measured; None takes the recipe's.
    """

    risk: float
    patience: float
    first_wave: float
    give_up: float
    slowdown: float | None = None

    def count_first(self, pace: float, samples: int, slowdown: float) -> int:
        """Number of samples that start at once: at least 3, at most `samples`.

        Example: first_wave 0.25 and slowdown 24: 0.25 * 24 = 6 samples up to a pace of 1, 6 * 1.5 ** 2 = 13.5, rounded
        to 14, at a pace of 1.5.
        """
        wanted = self.first_wave * slowdown * max(pace, 1.0) ** 2
        return samples if wanted >= samples else min(samples, max(FEWEST_FIRST, math.floor(wanted + 0.5)))


def read_schedule(content: Mapping[str, Any]) -> Schedule:
    """Build a schedule from its JSON object; what `fastmath replay-fit` says about itself, `made_by`, is dropped.

    Raises:
        ValueError: a number is missing, unknown or not above 0.
    """
    known = [item.name for item in fields(Schedule)]
    numbers = {name: value for name, value in content.items() if name != "made_by"}
    unknown = sorted(numbers.keys() - set(known))
    missing = [name for name in known if name != "slowdown" and name not in numbers]
    if unknown or missing:
        found = f"the unknown {unknown[0]!r}" if unknown else f"no {missing[0]!r}"
        raise ValueError(f"the schedule has {found}; want {', '.join(known)}, as `fastmath replay-fit` writes them")
    for name, value in numbers.items():
        if name == "slowdown" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"the schedule's {name!r} is {value!r}; want a number above 0")
    return Schedule(**numbers)


def load_schedule(path: Path = SCHEDULE_FILE) -> Schedule:
    """Read a schedule from a JSON file, by default the one that is part of the package.

    Raises:
        ValueError: the file cannot be read or is no schedule; the message names it.
    """
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}; want an object")
        return read_schedule(content)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no schedule: {error}") from error


@dataclass(frozen=True)
class AdaptivePolicy:
    """The kernel's default: time and samples per question by the clock and by the contest's earlier questions.

    A leader is answered once the samples to come are unlikely to overturn it, and under a clock also once it has waited
    long enough: the longer, the more time there is for each question (the pace), and the less, the likelier it stays
    ahead. Where time is scarce, that is at its first vote. A question without one is given up far beyond the usual
    wait alone, because most of them cost as much time to give up as to answer. With more time, more samples start.

    Example: 50 questions in 500 s and no vote so far: a share of 10 s, a wait of 10 s, a pace of 1. With patience 1.2
    any leader is answered after 12 s and one of posterior 0.75 after 6 s; with give_up 3 the question ends after 30 s.
    At a pace of 2 they wait 2 ** 1.5 = 2.8 times as long: there is time for the votes that the first one was ahead of.
    """

    schedule: Schedule

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        schedule = self.schedule
        wait = expected_wait(time, history)
        pace = time.share / wait if 0 < wait < math.inf else math.inf
        first = schedule.count_first(pace, samples, schedule.slowdown or slowdown)
        paced = min(pace, HIGHEST_PACE) * time.share
        lapse = schedule.patience * min(pace, HIGHEST_PACE) ** PATIENCE_EXPONENT * time.share
        return Plan(
            allotment=time.allot(max(lapse, schedule.give_up * max(wait, paced))),
            first=first,
            second=samples - first,
            split=SPLIT,
            second_until=time.now + time.share,
            patience=Patience(time.now, lapse),
            risk=schedule.risk,
        )


def expected_wait(time: TimeLeft, history: History) -> float:
    """Mean wait for a first vote in this contest, in seconds; before the first one, the contest's even share.

    Example: an even share of 10 s, three first votes after 2 s each: (10 + 6) / 4 = 4 s.
    """
    return (time.even_share + history.seconds_to_first_votes) / (1 + history.first_votes)

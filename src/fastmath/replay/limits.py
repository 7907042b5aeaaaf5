"""What a time limit costs: a run's own recorded votes, replayed in virtual time over several limits, rule by rule.

A contest on a shared machine is one draw, and its seconds are the machine's. A replay is the same everywhere: it plays
each recorded problem in several contests, with its samples in random order, and counts what a vote answers right. Four
rules play the same contests: the kernel's own, the full vote on the same clock, which votes with what has ended when
its time is up, and two of public kernels. Beside them stands the full vote without a clock.

Problems are the unit of all intervals, as in `fastmath.evaluation.intervals`: the value of a problem is the share of
its contests in which it was answered right. The kernel's rule is compared with the others on the same problems.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastmath.evaluation.comparison import estimate_differences
from fastmath.evaluation.intervals import Estimate, share_intervals
from fastmath.policies.plan import Policy
from fastmath.policies.public import find_policies
from fastmath.replay.simulator import CONTEST_SAMPLES, ContestSetting, play_contest
from fastmath.replay.votes import QUESTIONS, Recording, VotesFileError, draw_samples

LIMITS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FULL_VOTE, PUBLIC_RULES = "full", ("nemoskills", "aimo3")
"""Names of the rules that the kernel's is compared with, see `fastmath.policies.public`."""
UNLIMITED = "full, no clock"
"""Name of the full vote without a clock among those that the kernel's rule is compared with."""


@dataclass(frozen=True)
class LimitSetting:
    """What is replayed.

    Attributes:
        rule: name of the kernel's rule, or its import path.
        questions: number of questions of a contest.
        samples: most samples per question, and the number of samples of a full vote.
        slowdown: batch size that doubles the time of an engine step, see `fastmath.replay.simulator`.
        limits: time limits, as shares of the time that full votes take.
        contests: number of contests; more are played where they do not suffice to ask every problem once.
        seed: seed of the contests and of the intervals.
    """

    rule: str = "default"
    questions: int = QUESTIONS
    samples: int = CONTEST_SAMPLES
    slowdown: float = 24.0
    limits: tuple[float, ...] = LIMITS
    contests: int = 20
    seed: int = 0


@dataclass(frozen=True)
class LimitPoint:
    """What a rule reaches under one limit.

    Attributes:
        limit: the limit, as a share of the time that full votes take.
        right: right answers of a contest, all by a vote.
        by_vote: questions of a contest that are answered by a vote.
        tokens_share: tokens, as a share of those of full votes without a clock.
    """

    limit: float
    right: Estimate
    by_vote: float
    tokens_share: float


@dataclass(frozen=True)
class LimitReplay:
    """Right answers by vote over the limits, rule by rule.

    Attributes:
        problems: number of recorded problems.
        questions: number of questions of a contest, of which all figures are parts.
        contests: number of contests that every rule played under every limit.
        samples: most samples per question.
        unlimited: right answers of full votes without a clock.
        rules: name of a rule → its points, one a limit; the kernel's rule comes first.
        gains: name of another rule, or `UNLIMITED` → right answers of the kernel's rule less those of the other one,
            one a limit, over the same problems.
    """

    problems: int
    questions: int
    contests: int
    samples: int
    unlimited: Estimate
    rules: dict[str, tuple[LimitPoint, ...]]
    gains: dict[str, tuple[Estimate, ...]]


@dataclass(frozen=True)
class DrawnContest:
    """One contest.

    Attributes:
        places: places of its problems among the recordings, in the order in which they are asked.
        questions: the problems, with their samples as drawn.
    """

    places: tuple[int, ...]
    questions: tuple[Recording, ...]


def replay_limits(recordings: Sequence[Recording], setting: LimitSetting, policy: Policy | None = None) -> LimitReplay:
    """Play the same contests with every rule under every limit.

    Args:
        recordings: the recorded problems of one model.
        setting: what is replayed.
        policy: the kernel's rule, where it is none of the package or has numbers of its own; None takes that of
            `fastmath.policies.public.find_policies` with its name.

    Raises:
        fastmath.replay.votes.VotesFileError: there are no problems, or one has fewer samples than a question may take.
    """
    contests, problems = make_contests(recordings, setting), len(recordings)
    policies = find_policies() | ({} if policy is None else {setting.rule: policy})
    names = list(dict.fromkeys([setting.rule, FULL_VOTE, *PUBLIC_RULES]))
    unlimited = _play_all(contests, problems, policies[FULL_VOTE], setting, math.inf)
    played = {
        name: np.stack([_play_all(contests, problems, policies[name], setting, limit) for limit in setting.limits])
        for name in names
    }
    right = {name: figures[:, :, 0] for name, figures in played.items()}  # (limits, P)
    others = {name: right[name] for name in names[1:]} | {UNLIMITED: unlimited[:, 0]}
    return LimitReplay(
        problems=problems,
        questions=setting.questions,
        contests=len(contests),
        samples=setting.samples,
        unlimited=_estimate_right(unlimited[None, :, 0], setting)[0],
        rules={name: _summarize(figures, unlimited[:, 2].mean(), setting) for name, figures in played.items()},
        gains=_estimate_gains({name: right[setting.rule] - theirs for name, theirs in others.items()}, setting),
    )


def make_contests(recordings: Sequence[Recording], setting: LimitSetting) -> list[DrawnContest]:
    """Contests that ask all problems equally often, give or take one, with their samples in random order.

    Example: 20 contests of 50 questions ask each of 200 problems five times.

    Raises:
        fastmath.replay.votes.VotesFileError: there are no problems, or one has fewer samples than a question may take.
    """
    short = next((each for each in recordings if len(each.samples) < setting.samples), None)
    if short is not None:
        raise VotesFileError(
            f"question {short.id} of {short.model} has {len(short.samples)} recorded samples, and a question of the "
            f"contest may take {setting.samples}; record as many (`evaluate.samples: {setting.samples}`), or let the "
            f"contest take fewer (`kernel.samples: {len(short.samples)}`)"
        )
    if not recordings:
        raise VotesFileError("there are no recorded problems to replay; want at least one")
    rng = random.Random(setting.seed)
    count = max(setting.contests, math.ceil(len(recordings) / setting.questions))
    order: list[int] = []
    while len(order) < count * setting.questions:
        order += rng.sample(range(len(recordings)), len(recordings))
    asked = [tuple(order[index * setting.questions : (index + 1) * setting.questions]) for index in range(count)]
    return [
        DrawnContest(places, tuple(draw_samples(recordings[place], setting.samples, rng) for place in places))
        for places in asked
    ]


def _play_all(
    contests: Sequence[DrawnContest], problems: int, policy: Policy, setting: LimitSetting, limit: float
) -> NDArray[np.float64]:
    """Play all contests under one limit; (P, 3): right, by a vote and tokens, means over the contests of a problem."""
    rules = ContestSetting(limit, setting.slowdown, setting.samples, full_samples=setting.samples)
    sums, counts = np.zeros((problems, 3)), np.zeros(problems)
    for contest in contests:
        played = play_contest(contest.questions, policy, rules).questions
        np.add.at(sums, list(contest.places), [(each.right, each.voted, each.tokens) for each in played])
        np.add.at(counts, list(contest.places), 1)
    return sums / counts[:, None]


def _summarize(figures: NDArray[np.float64], full_tokens: float, setting: LimitSetting) -> tuple[LimitPoint, ...]:
    """The points of one rule, from its (limits, P, 3) figures and the mean tokens of a full vote without a clock."""
    _, by_vote, tokens = figures.mean(axis=1).T
    right = _estimate_right(figures[:, :, 0], setting)
    return tuple(
        LimitPoint(limit, right[row], float(setting.questions * by_vote[row]), float(tokens[row] / full_tokens))
        for row, limit in enumerate(setting.limits)
    )


def _estimate_right(shares: NDArray[np.float64], setting: LimitSetting) -> list[Estimate]:
    """Right answers of a contest from shares by problem; (rows, P) → one estimate a row."""
    intervals = setting.questions * share_intervals(shares.T, setting.seed)  # (3, rows)
    return [Estimate(*column) for column in intervals.T.tolist()]


def _estimate_gains(
    differences: Mapping[str, NDArray[np.float64]], setting: LimitSetting
) -> dict[str, tuple[Estimate, ...]]:
    """The same of differences of shares by rule, each (limits, P); all share their resamples."""
    places = [(name, row) for name in differences for row in range(len(setting.limits))]
    found = estimate_differences({f"{name} {row}": differences[name][row] for name, row in places}, setting.seed)
    scaled = {
        key: Estimate(*(setting.questions * end for end in (each.difference, each.low, each.high)))
        for key, each in found.items()
    }
    return {name: tuple(scaled[f"{name} {row}"] for row in range(len(setting.limits))) for name in differences}

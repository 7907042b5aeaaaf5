"""Policies of public kernels and papers, one small class each, for comparison with `AdaptivePolicy` in replays.

Public kernels state their limits in seconds of one contest (AIMO2: 5 h for 50 questions, an even share of 360 s). Here
they are written as parts of the even share, so that they apply to any time limit.
"""

import math
from collections import Counter
from dataclasses import dataclass

from fastmath.policies.adaptive import AdaptivePolicy, Schedule, load_schedule
from fastmath.policies.clock import Allotment, TimeLeft
from fastmath.policies.plan import History, Plan, Policy
from fastmath.policies.voting import Ballot, leading_weights


@dataclass(frozen=True)
class PublicPolicy:
    """The full vote: all samples start at once, and a question may take its even share of the time that is left.

    Subclasses change the number of samples (`count`), the time (`seconds`) or the stop rule (`stop`).

    Attributes:
        most_samples: largest number of samples per question; None = as many as the caller allows.
    """

    most_samples: int | None = None

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        return Plan(self.allot(time), self.count(time, samples), stop=self.stop)

    def count(self, time: TimeLeft, samples: int) -> int:
        """Number of samples to start."""
        return samples if self.most_samples is None else min(samples, self.most_samples)

    def allot(self, time: TimeLeft) -> Allotment:
        """The question's time; without a clock there is no limit."""
        return time.allot(time.left if math.isinf(time.left) else self.seconds(time))

    def seconds(self, time: TimeLeft) -> float:
        """Longest time that the question may take, in seconds; asked for only under a clock."""
        return time.share

    def stop(self, ballot: Ballot) -> str | None:
        """The reason why the vote is decided, None if it is not; the full vote never stops early."""


@dataclass(frozen=True)
class CannotBeOvertaken(PublicPolicy):
    """The full vote, stopped once its leader cannot be overtaken. No public kernel does this; it loses nothing."""

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        return Plan(self.allot(time), self.count(time, samples), risk=0.0)


@dataclass(frozen=True)
class Agreement(PublicPolicy):
    """Stop when `votes` samples agree on an answer."""

    votes: int = 4

    def stop(self, ballot: Ballot) -> str | None:
        return "agreement" if leading_weights(ballot.tally)[0] >= self.votes else None


@dataclass(frozen=True)
class NemoSkills(Agreement):
    """NemoSkills, AIMO2 1st place: 4 of 16 agree; 350 s, and up to 210 s of unused time of earlier questions.

    Here: 0.85 of the even share, and up to 1.4 shares in total.
    """

    def seconds(self, time: TimeLeft) -> float:
        base = 0.85 * time.even_share
        bank = time.left - time.questions * base
        return max(base, min(base + bank, 1.4 * time.even_share))


@dataclass(frozen=True)
class ThirtyFivePercent(Agreement):
    """A public vLLM kernel of AIMO2: 35 % of 16 samples agree; 270 s, and 210 s more if they do not."""

    votes: int = 6  # 0.35 * 16 = 5.6

    def seconds(self, time: TimeLeft) -> float:
        return (270 + 210) / 360 * time.even_share


@dataclass(frozen=True)
class Aimo3Clamp(Agreement):
    """AIMO3's public kernels: 4 of 8 agree; time left less 240 s per later question, clamped to 240-840 s.

    Here: 0.8 and 2.8 even shares instead of 240 s and 840 s.
    """

    most_samples: int | None = 8

    def seconds(self, time: TimeLeft) -> float:
        spare = time.left - 0.8 * time.even_share * (time.questions - 1)
        return max(0.8 * time.even_share, min(spare, 2.8 * time.even_share))


@dataclass(frozen=True)
class Imagination(PublicPolicy):
    """imagination-research, AIMO2 2nd place: its stop table, and time per question by the average time left."""

    def seconds(self, time: TimeLeft) -> float:
        return 1.9 * time.even_share if time.share > time.even_share else time.share

    def stop(self, ballot: Ballot) -> str | None:
        most, given = leading_weights(ballot.tally)[0], len(ballot.votes)
        recent = Counter(vote.answer for vote in ballot.votes[-5:])
        lately = given >= 5 and max(recent.values()) >= 4
        table = (given <= 4 and most >= 4) or (given <= 7 and most >= 5) or (given <= 9 and most >= 6)
        return "stop table" if lately or table or given >= 10 else None


@dataclass(frozen=True)
class Huikang(PublicPolicy):
    """tonghuikang's kernels: cutoffs evenly spread up to one global deadline; two thirds of the samples when behind."""

    def count(self, time: TimeLeft, samples: int) -> int:
        return samples * 2 // 3 if time.share < time.even_share else samples

    def seconds(self, time: TimeLeft) -> float:
        return time.left - (time.questions - 1) * time.even_share if time.share >= time.even_share else time.share


@dataclass(frozen=True)
class EarlyStoppingConsistency(PublicPolicy):
    """ESC (Li et al. 2024, arXiv 2401.10480): stop when a whole window of votes agrees; windows do not overlap."""

    window: int = 4

    def stop(self, ballot: Ballot) -> str | None:
        given = len(ballot.votes)
        if given == 0 or given % self.window:
            return None
        return "window" if len({vote.answer for vote in ballot.votes[-self.window :]}) == 1 else None


@dataclass(frozen=True)
class AdaptiveConsistency(PublicPolicy):
    """Aggarwal et al. 2023, arXiv 2305.11860: stop when the leader's posterior reaches `posterior`."""

    posterior: float = 0.95

    def stop(self, ballot: Ballot) -> str | None:
        return "posterior" if ballot.votes and ballot.posterior >= self.posterior else None


@dataclass(frozen=True)
class ShortestVotes(PublicPolicy):
    """short-m@k (Hassid et al. 2025, arXiv 2505.17813): the vote of the first `votes` samples to answer."""

    votes: int = 3

    def stop(self, ballot: Ballot) -> str | None:
        return "first votes" if len(ballot.votes) >= self.votes else None


@dataclass(frozen=True)
class TwoLines(AdaptiveConsistency):
    """Few samples, `shares` even shares of the time left, a low posterior: the baseline for any tuned rule."""

    posterior: float = 0.8
    shares: float = 2.0

    def seconds(self, time: TimeLeft) -> float:
        return self.shares * time.share


PUBLIC: dict[str, Policy] = {
    "full": PublicPolicy(),
    "bound": CannotBeOvertaken(),
    "agree-4": Agreement(votes=4),
    "agree-5": Agreement(votes=5),
    "agree-6": Agreement(votes=6),
    "nemoskills": NemoSkills(),
    "imagination": Imagination(),
    "agree-35-percent": ThirtyFivePercent(),
    "huikang": Huikang(),
    "aimo3": Aimo3Clamp(),
    "esc": EarlyStoppingConsistency(),
    "adaptive-consistency": AdaptiveConsistency(),
    "adaptive-consistency-99": AdaptiveConsistency(posterior=0.99),
    "short-3": ShortestVotes(votes=3),
    "short-5": ShortestVotes(votes=5),
    "two-lines-8": TwoLines(most_samples=8),
    "two-lines-6": TwoLines(most_samples=6, shares=3.0),
}
"""Every policy of this module by its name, the full vote first."""

COMPARED = (
    "full", "nemoskills", "imagination", "agree-35-percent", "huikang", "aimo3", "esc", "adaptive-consistency",
    "short-3", "short-5",
)  # fmt: skip
"""The public rules that ours is compared with under a clock: not the two-line ones, which nobody has published, nor
those that say one of these again."""


def find_policies(schedule: Schedule | None = None) -> dict[str, Policy]:
    """Every policy by its name; `default` is the kernel's own, with this schedule or that of the package."""
    return {"default": AdaptivePolicy(schedule or load_schedule())} | PUBLIC


def describe_policy(policy: Policy) -> str:
    """What a policy is, in the first line of its own documentation."""
    return (type(policy).__doc__ or "").splitlines()[0]

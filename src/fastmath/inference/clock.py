"""The contest's clock: how long a question may take, from the time that is left and the questions that are left.

There is one global deadline. A question's share is the time left divided by the questions left, so that what quick
questions do not use is a bank for all that follow; a hard question may draw several shares, but always leaves a floor
for every other. All times are seconds since the contest began.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClockRules:
    """How a contest's time is divided.

    Attributes:
        limit_seconds: the contest's clock.
        questions: questions expected; more or fewer may come.
        most_shares: even shares that one question may take at most.
        floor_share: part of the contest's even share that is kept for each later question.
        reserve_share: part of the limit that is never given out, for what happens between questions.
    """

    limit_seconds: float
    questions: int
    most_shares: float = 2.0
    floor_share: float = 0.1
    reserve_share: float = 0.03

    @property
    def even_share(self) -> float:
        """Seconds that each question gets if all take the same."""
        return self.limit_seconds * (1 - self.reserve_share) / self.questions


@dataclass(frozen=True)
class Allotment:
    """The time of one question, in seconds since the contest began.

    Attributes:
        start: it was asked.
        target: its even share ends; from here on whatever leads is answered.
        deadline: it must have been answered.
        pace: its share as a part of the contest's even share; below 1 earlier questions took more than theirs.
    """

    start: float
    target: float
    deadline: float
    pace: float


def allot(rules: ClockRules, elapsed: float, answered: int) -> Allotment:
    """Divide what is left of the clock.

    The last expected question counts as two: should another one come, there is something left for it, and so on by
    halves. Past the limit every time is `elapsed` itself: answer at once.

    Args:
        rules: the contest's.
        elapsed: seconds since the contest began.
        answered: questions answered so far.

    Example: 100 s, 10 questions, nothing in reserve, 4 answered after 28 s: 72 s are left for 6, a share of 12 s, so
    the target is 40 s; two shares are 24 s, so the deadline is 52 s; the pace is 12 s against an even share of 10 s,
    1.2.
    """
    end = rules.limit_seconds * (1 - rules.reserve_share)
    left = max(end - elapsed, 0.0)
    to_come = max(rules.questions - answered, 2)
    share = left / to_come
    floor = min(rules.floor_share * rules.even_share, left)
    # Behind the clock a share may be too short for any sample: then some questions get the floor and others nothing.
    target = min(max(share, floor), left)
    longest = min(rules.most_shares * share, left - floor * (to_come - 1))
    return Allotment(
        start=elapsed,
        target=elapsed + target,
        deadline=elapsed + max(target, longest),
        pace=share / rules.even_share,
    )

"""The contest's clock: how much time is left, for how many questions, and how much of it one question may take.

There is one global deadline. Time that quick questions do not use is saved for all that follow. A policy
(`fastmath.policies.adaptive`) chooses how much of it a question may use; this module makes sure that no question passes
the global deadline, nor the time in which the contest's gateway wants an answer. All times are in seconds since the
contest began.
"""

import math
from dataclasses import dataclass

CALL_SHARE = 0.9
"""Part of the gateway's time for one call that a question may use; the rest is left for what happens around it."""


@dataclass(frozen=True)
class ClockRules:
    """How a contest's time is divided.

    Attributes:
        limit_seconds: time limit of the whole contest, in seconds; infinite = no clock.
        questions: expected number of questions; more or fewer may come.
        reserve_share: part of the limit that no question gets, for the time that passes between questions.
        spare_questions: number of unexpected questions for which the last expected one leaves time.
        call_seconds: time in which the gateway wants an answer, in seconds; infinite = it sets no such limit.
    """

    limit_seconds: float
    questions: int
    reserve_share: float = 0.03
    spare_questions: int = 1
    call_seconds: float = math.inf

    @property
    def even_share(self) -> float:
        """Seconds per question if all questions of the contest take the same time."""
        return self.limit_seconds * (1 - self.reserve_share) / self.questions


@dataclass(frozen=True)
class TimeLeft:
    """Time and questions left in the contest when a question is asked.

    Attributes:
        now: seconds since the contest began.
        left: seconds left for questions, without the reserve; infinite = no clock.
        questions: number of questions left, this one included.
        even_share: seconds per question if all questions of the contest took the same time, see `ClockRules`.
        longest: most seconds that one question may get, see `tell_time`; infinite = as many as are left.
    """

    now: float
    left: float
    questions: int
    even_share: float
    longest: float = math.inf

    @property
    def share(self) -> float:
        """Seconds for this question if all questions that are left take the same time, at most `longest`."""
        share = self.left / self.questions
        return share if math.isinf(share) else min(share, self.longest)

    def allot(self, seconds: float) -> "Allotment":
        """Give the question `seconds`, or less if less is left; at most `longest`."""
        longest = min(seconds, self.left, self.longest)
        return Allotment(self.now, self.now + min(self.share, longest), self.now + longest)


@dataclass(frozen=True)
class Allotment:
    """The time of one question, in seconds since the contest began.

    Attributes:
        start: when the question's time began.
        target: when its even share of the time that was left ends, or the deadline if that is earlier.
        deadline: when it must have been answered.
    """

    start: float
    target: float
    deadline: float


def tell_time(rules: ClockRules, elapsed: float, answered: int) -> TimeLeft:
    """Time and questions left after `elapsed` seconds and `answered` questions.

    At least 1 + `spare_questions` questions always count as left, so that the last expected question leaves time for an
    unexpected one, that one for the next, and so on. Past the limit no time is left: the question is answered at once.

    Example: 100 s, 10 questions, no reserve, 4 answered after 28 s: 72 s are left for 6 questions, a share of 12 s.
    With AIMO2's `call_seconds` of 1800 no question gets more than 0.9 * 1800 = 1620 s.
    """
    left = max(rules.limit_seconds * (1 - rules.reserve_share) - elapsed, 0.0)
    questions = max(rules.questions - answered, 1 + rules.spare_questions)
    return TimeLeft(elapsed, left, questions, rules.even_share, longest=CALL_SHARE * rules.call_seconds)

"""The contest's clock: what is left, for how many questions, and what a question may take at most.

There is one global deadline. What quick questions do not use is a bank for all that follow. How much of it a question
draws is its policy's choice (`fastmath.policies.adaptive`); that it never passes the global deadline is settled here.
All times are seconds since the contest began.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ClockRules:
    """How a contest's time is divided.

    Attributes:
        limit_seconds: the contest's clock; infinite for none.
        questions: questions expected; more or fewer may come.
        reserve_share: part of the limit that is never given out, for what happens between questions.
        spare_questions: questions beyond the expected ones for which the last one leaves something.
    """

    limit_seconds: float
    questions: int
    reserve_share: float = 0.03
    spare_questions: int = 1

    @property
    def even_share(self) -> float:
        """Seconds that each question gets if all take the same."""
        return self.limit_seconds * (1 - self.reserve_share) / self.questions


@dataclass(frozen=True)
class TimeLeft:
    """How the contest stands when a question is asked.

    Attributes:
        now: seconds since the contest began.
        left: seconds that may still be given out.
        questions: questions to come, this one among them.
        even_share: seconds that each question would have had from the start.
    """

    now: float
    left: float
    questions: int
    even_share: float

    @property
    def share(self) -> float:
        """Seconds that this question gets if all to come take the same."""
        return self.left / self.questions

    def allot(self, seconds: float, floor: float = 0.0) -> "Allotment":
        """Give the question `seconds`, at most what is left when every later question is kept `floor` seconds.

        Far behind, where a floor for everyone would be more than there is, what is left is shared evenly.
        """
        kept = 0.0 if math.isinf(self.left) else min(floor, self.share) * (self.questions - 1)
        longest = min(seconds, self.left - kept)
        return Allotment(self.now, self.now + min(self.share, longest), self.now + longest)


@dataclass(frozen=True)
class Allotment:
    """The time of one question, in seconds since the contest began.

    Attributes:
        start: it was asked.
        target: its even share of the time that was left ends, or the deadline comes before that.
        deadline: it must have been answered.
    """

    start: float
    target: float
    deadline: float


def tell_time(rules: ClockRules, elapsed: float, answered: int) -> TimeLeft:
    """How the contest stands after so many seconds and answers.

    The last expected question counts as more than one where there are `spare_questions`: should another one come, there
    is something left for it, and so on. Past the limit nothing is left: answer at once.

    Example: 100 s, 10 questions, nothing in reserve, 4 answered after 28 s: 72 s are left for 6, a share of 12 s.
    """
    left = max(rules.limit_seconds * (1 - rules.reserve_share) - elapsed, 0.0)
    questions = max(rules.questions - answered, 1 + rules.spare_questions)
    return TimeLeft(now=elapsed, left=left, questions=questions, even_share=rules.even_share)

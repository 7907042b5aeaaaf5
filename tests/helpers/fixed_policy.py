"""A policy that plans every question alike, for tests of what carries plans out."""

from dataclasses import dataclass

from fastmath.policies.clock import TimeLeft
from fastmath.policies.plan import History, Patience, Plan
from fastmath.policies.voting import Ballot


@dataclass(frozen=True)
class FixedPolicy:
    """Two samples, six more where they disagree; a posterior of 0.85 decides, any leader after the even share.

    A question takes at most `shares` even shares.
    """

    first: int = 2
    second: int = 6
    certainty: float = 0.85
    shares: float = 2.0

    def plan(self, time: TimeLeft, samples: int, slowdown: float, history: History) -> Plan:
        share = time.share
        return Plan(
            time.allot(self.shares * share),
            self.first,
            self.second,
            split=self.certainty,
            second_until=time.now + share,
            stop=self.stop,
            patience=Patience(time.now, share),
            risk=0.0,
        )

    def stop(self, ballot: Ballot) -> str | None:
        """The reason why the vote is decided, None if it is not."""
        return "posterior" if ballot.posterior >= self.certainty else None

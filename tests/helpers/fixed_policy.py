"""A policy that plans every question alike, for tests of what carries plans out."""

from dataclasses import dataclass

from fastmath.policies.clock import TimeLeft
from fastmath.policies.plan import History, Patience, Plan


@dataclass(frozen=True)
class FixedPolicy:
    """Two samples, six more where they disagree; certainty 0.85 for half of the even share, `shares` of it in all."""

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
            patience=Patience(self.certainty, time.now + share / 2, time.now + share),
            provable=True,
        )

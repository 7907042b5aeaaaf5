"""What other rules would have done with one question of a contest, at the moment at which it was asked.

The samples are recorded ones of the same model to the same question, on the virtual clock of
`fastmath.replay.simulator`. Each rule gets the time that the contest had left when the question came, in that clock's
seconds, and answers this one question; what it would have done with those before is not part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fastmath.kernel.solver import Solver, SolverRules
from fastmath.policies.clock import TimeLeft
from fastmath.policies.plan import History, Policy
from fastmath.replay.limits import FULL_VOTE, PUBLIC_RULES
from fastmath.replay.simulator import NO_ANSWER, play_question
from fastmath.replay.votes import Recording

USUAL_RULES = (FULL_VOTE, *PUBLIC_RULES)
"""Rules to compare with: the full vote, and two of contests that were won."""


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule did with a question.

    Attributes:
        rule: name of the policy.
        answer: what it answered; None without a vote.
        reason: what decided the answer, as the kernel's journal names it.
        samples: number of samples that it started.
        votes: number of those that had voted by then.
        tokens: number of tokens that its samples generated.
        steps: engine steps until the answer.
    """

    rule: str
    answer: int | None
    reason: str
    samples: int
    votes: int
    tokens: int
    steps: int


def choose_rules(policies: Mapping[str, Policy], own: str) -> dict[str, Policy]:
    """Three rules to compare with, the kernel's own not among them; its default takes the place of one that it has."""
    names = [name for name in USUAL_RULES if name != own]
    names += ["default"] * (len(names) < len(USUAL_RULES))
    return {name: policies[name] for name in names}


def replay_rule(
    name: str, policy: Policy, question: Recording, time: TimeLeft, samples: int, slowdown: float
) -> RuleOutcome:
    """Let a rule answer a question from its recorded samples.

    Args:
        name: name of the rule.
        policy: the rule.
        question: the recorded samples.
        time: time and questions left, in virtual seconds.
        samples: largest number of samples of a question; the recorded ones, if those are fewer.
        slowdown: batch size that doubles the time of an engine step.
    """
    plan = policy.plan(time, min(samples, len(question.samples)), slowdown, History())
    solver = Solver(SolverRules(fallback_answer=NO_ANSWER), plan)
    played = play_question(question, solver, slowdown)
    return RuleOutcome(
        rule=name,
        answer=solver.answer.answer if solver.votes else None,
        reason=solver.answer.reason,
        samples=solver.started,
        votes=len(solver.votes),
        tokens=round(played.tokens),
        steps=round(played.steps),
    )

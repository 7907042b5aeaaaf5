"""What other rules would have done with one question of a contest, at the moment at which it was asked.

The samples are recorded ones of the same model to the same question, on the virtual clock of
`fastmath.replay.simulator`. Each rule gets the time that the contest had left when the question came, in that clock's
seconds, and answers this one question; what it would have done with those before is not part of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.contests import CONTESTS, contest_answer
from fastmath.evaluation.models import name_last_model, samples_path
from fastmath.kernel.solver import Solver, SolverRules
from fastmath.policies.clock import ClockRules, TimeLeft, tell_time
from fastmath.policies.plan import History, Policy
from fastmath.policies.public import find_policies
from fastmath.recipe.inference import KernelSettings
from fastmath.recipe.sections import Recipe
from fastmath.replay.limits import FULL_VOTE, PUBLIC_RULES
from fastmath.replay.simulator import NO_ANSWER, full_vote_seconds, play_question
from fastmath.replay.votes import RecordedSample, Recording

USUAL_RULES = (FULL_VOTE, *PUBLIC_RULES)
"""Rules to compare with: the full vote, and two of contests that were won."""


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule did with a question.

    Attributes:
        rule: name of the policy.
        answer: what it answered; None without a vote.
        right: whether that is the correct answer.
        reason: what decided the answer, as the kernel's journal names it.
        samples: number of samples that it started.
        votes: number of those that had voted by then.
        tokens: number of tokens that its samples generated.
        steps: engine steps until the answer.
    """

    rule: str
    answer: int | None
    right: bool
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
        right=bool(solver.votes) and played.right,
        reason=solver.answer.reason,
        samples=solver.started,
        votes=len(solver.votes),
        tokens=round(played.tokens),
        steps=round(played.steps),
    )


def read_recordings(run_dir: Path, recipe: Recipe, answers: Mapping[str, int]) -> dict[str, Recording]:
    """What a run's evaluation has recorded of its contest's model, by question; empty where it was not evaluated.

    Args:
        run_dir: folder of the run.
        recipe: its recipe.
        answers: id of each of the contest's questions → correct answer, where it is known.
    """
    model, profile = name_last_model(recipe), CONTESTS[recipe.kernel.profile]
    path = samples_path(run_dir, model)
    if not path.exists():
        return {}
    table = pl.read_parquet(path).filter(pl.col("problem_id").is_in(list(answers)))
    recordings = {}
    for (name,), rows in table.group_by("problem_id", maintain_order=True):
        pairs = rows.sort("sample").select("tokens", "answer").iter_rows()
        samples = tuple(RecordedSample(tokens, contest_answer(answer, profile)) for tokens, answer in pairs)
        recordings[name] = Recording(name, model, answers[name], samples)
    return recordings


class OtherRules:
    """Three other rules, which are asked the questions of one contest.

    Attributes:
        rules: the rules by their names.
        is_paced: whether they have the contest's clock; False where it is not known how fast full votes are.
    """

    def __init__(
        self,
        settings: KernelSettings,
        report: Mapping[str, Any],
        records: Sequence[Mapping[str, Any]],
        recordings: Mapping[str, Recording],
    ) -> None:
        """Ask about one contest.

        Args:
            settings: with which it was played.
            report: its report, see `fastmath.contest.report.summarize`.
            records: records of its journal, in the order of the answers.
            recordings: recorded samples by question, see `read_recordings`.
        """
        self.rules = choose_rules(find_policies(), settings.policy)
        self._settings, self._records, self._recordings = settings, records, recordings
        recorded = [recordings[record["id"]] for record in records if record["id"] in recordings]
        full = report.get("seconds_full_vote")
        self.is_paced = bool(full) and len(recorded) == len(records) > 0
        limit, self._pace = math.inf, 1.0
        if self.is_paced:
            # Virtual seconds a second, so that full votes on recorded samples take as long as they have taken.
            replayed = (full_vote_seconds(each, settings.slowdown, settings.samples) for each in recorded)
            self._pace = sum(replayed) / full
            limit = report["limit_seconds"] * self._pace
        self._clock = ClockRules(limit, len(records))

    def ask(self, place: int) -> list[RuleOutcome]:
        """What each rule would have done with the question at this place; empty where no samples are recorded."""
        record = self._records[place]
        question = self._recordings.get(record["id"])
        if question is None:
            return []
        began = record.get("started_seconds", record["elapsed_seconds"] - record["seconds"])
        time = tell_time(self._clock, began * self._pace, place)
        samples, slowdown = self._settings.samples, self._settings.slowdown
        return [replay_rule(name, policy, question, time, samples, slowdown) for name, policy in self.rules.items()]

"""`fastmath replay`: the kernel's policies, and those of public kernels, on recorded samples."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from fastmath.answers.contests import CONTESTS
from fastmath.contest.policy import find_policy
from fastmath.policies.plan import Policy
from fastmath.policies.public import describe_policy, find_policies
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.replay.draws import replay_contests, replay_questions
from fastmath.replay.simulator import ContestSetting
from fastmath.replay.votes import Recording, read_votes


def replay(
    votes: Annotated[Path | None, typer.Option(help="JSONL of id, gold, model, answers[], tokens[]; also .gz")] = None,
    model: Annotated[str | None, typer.Option(help="only this model's questions")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="most samples per question")] = 16,
    policy: Annotated[str, typer.Option(help="name of the policy, package.module:ClassName, or `list`")] = "default",
    profile: Annotated[str, typer.Option(help=f"contest that reads golds and votes: {', '.join(CONTESTS)}")] = "aimo2",
    contest: Annotated[bool, typer.Option("--contest", help="replay contests of 50 questions on one clock")] = False,
    limit: Annotated[float, typer.Option(min=0, help="time limit, as a share of the time of full votes of 16")] = 0.5,
    slowdown: Annotated[float, typer.Option(help="a step with b samples takes 1 + b / SLOWDOWN; may be inf")] = 24.0,
    seeds: Annotated[int, typer.Option(min=1, help="number of draws per question, or of contests per model")] = 100,
    processes: Annotated[int | None, typer.Option(min=1, help="number of processes; one per core by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Replay a policy on recorded samples: single questions without a clock, or whole contests."""
    if policy == "list":
        policies = find_policies()
        typer.echo(json.dumps(list(policies)) if as_json else "\n".join(map(_describe, policies.items())))
        return
    rule = find_policy(policy, "--policy")
    require_known("--profile", profile, CONTESTS)
    if votes is None:
        raise SettingsError("--votes is missing; want a JSONL file of recorded samples")
    if not slowdown > 0:
        raise SettingsError(f"--slowdown is {slowdown}; want more than 0, inf where batches cost nothing")
    recordings = read_votes(votes, model, CONTESTS[profile])
    cores = processes or os.cpu_count() or 1
    if contest:
        setting = ContestSetting(limit, slowdown, n)
        result = {"policy": policy, "limit": limit} | replay_contests(recordings, rule, setting, seeds, cores)
    else:
        result = {"policy": policy, "n": n} | replay_questions(recordings, rule, n, seeds, cores)
    typer.echo(json.dumps(result) if as_json else _render(result, recordings))


def _describe(item: tuple[str, Policy]) -> str:
    name, policy = item
    return f"{name:<24} {describe_policy(policy)}"


def _render(result: dict[str, object], recordings: list[Recording]) -> str:
    models = len({recording.model for recording in recordings})
    lines = [f"{len(recordings)} recorded questions of {models} models"]
    return "\n".join(lines + [f"{name:<16} {value}" for name, value in result.items()])

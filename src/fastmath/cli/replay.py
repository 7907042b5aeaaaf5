"""`fastmath replay`: the kernel's policies, and those of public kernels, on recorded samples."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from fastmath.answers.contests import CONTESTS
from fastmath.contest.policy import find_policy
from fastmath.policies.adaptive import Schedule, load_schedule
from fastmath.policies.plan import Policy
from fastmath.policies.public import describe_policy, find_policies
from fastmath.recipe.errors import SettingsError, require_known
from fastmath.replay.draws import replay_contests
from fastmath.replay.forecast import SCORINGS
from fastmath.replay.questions import replay_questions
from fastmath.replay.simulator import ContestSetting
from fastmath.replay.tables import describe_recordings, describe_row, render_contests, render_questions
from fastmath.replay.votes import read_votes

ALL = "all"
"""Value of `--policy` for every rule."""
SLOWDOWN = 24.0
"""Batch size that doubles the time of an engine step where nobody says otherwise, as in a recipe."""


def replay(
    votes: Annotated[Path | None, typer.Option(help="JSONL of id, gold, model, answers[], tokens[]; also .gz")] = None,
    model: Annotated[str | None, typer.Option(help="only this model's questions")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="most samples per question")] = 16,
    policy: Annotated[
        str, typer.Option(help="name of the policy, package.module:ClassName, `all` or `list`")
    ] = "default",
    schedule: Annotated[Path | None, typer.Option(help="numbers of `default`, from `fastmath replay-fit`")] = None,
    profile: Annotated[str, typer.Option(help=f"contest that reads golds and votes: {', '.join(CONTESTS)}")] = "aimo2",
    contest: Annotated[bool, typer.Option("--contest", help="replay contests of 50 questions on one clock")] = False,
    limit: Annotated[
        list[float] | None,
        typer.Option(min=0, help="time limit, as a share of the time of full votes of 16; repeatable"),
    ] = None,
    slowdown: Annotated[
        float | None, typer.Option(help="a step with b samples takes 1 + b / SLOWDOWN; may be inf; 24 by default")
    ] = None,
    scoring: Annotated[
        str, typer.Option(help="`twice`: the mean of two runs on the same questions, as in aimo3")
    ] = "once",
    seeds: Annotated[int, typer.Option(min=1, help="number of draws per question, or of contests per model")] = 100,
    processes: Annotated[int | None, typer.Option(min=1, help="number of processes; one per core by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Replay policies on recorded samples: single questions without a clock, or whole contests, with a forecast."""
    fitted = None if schedule is None else read_schedule(schedule)
    policies = find_policies(fitted)
    if policy == "list":
        typer.echo(json.dumps(list(policies)) if as_json else "\n".join(map(_describe, policies.items())))
        return
    rules = policies if policy == ALL else {policy: find_policy(policy, "--policy", fitted)}
    require_known("--profile", profile, CONTESTS)
    require_known("--scoring", scoring, SCORINGS)
    if votes is None:
        raise SettingsError("--votes is missing; want a JSONL file of recorded samples")
    steps = find_slowdown(slowdown, fitted)
    recordings = read_votes(votes, model, CONTESTS[profile])
    cores = processes or os.cpu_count() or 1
    if contest:
        settings = [ContestSetting(each, steps, n) for each in limit or (0.5,)]
        rows = replay_contests(recordings, rules, settings, seeds, cores, scoring)
    else:
        rows = replay_questions(recordings, rules, n, seeds, cores)
    rows = [row | {"profile": profile} for row in rows]
    if as_json:
        typer.echo(json.dumps(rows[0] if len(rows) == 1 else {"profile": profile, "rows": rows}))
        return
    typer.echo(describe_recordings(recordings))
    typer.echo(describe_row(rows[0]) if len(rows) == 1 else (render_contests if contest else render_questions)(rows))


def read_schedule(path: Path) -> Schedule:
    """Read a schedule that was named on the command line.

    Raises:
        SettingsError: it is no schedule; the message says what is wrong.
    """
    try:
        return load_schedule(path)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def find_slowdown(slowdown: float | None, schedule: Schedule | None) -> float:
    """The engine's slowdown that was asked for, or that of the schedule, or 24.

    Raises:
        SettingsError: it is not above 0.
    """
    if slowdown is None:
        slowdown = SLOWDOWN if schedule is None or schedule.slowdown is None else schedule.slowdown
    if not slowdown > 0:
        raise SettingsError(f"--slowdown is {slowdown}; want more than 0, inf where batches cost nothing")
    return slowdown


def _describe(item: tuple[str, Policy]) -> str:
    name, policy = item
    return f"{name:<24} {describe_policy(policy)}"

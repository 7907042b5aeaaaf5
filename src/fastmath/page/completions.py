"""The completions that GRPO has logged of its steps, as a page keeps them: of as many steps as it can hold."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastmath.page.excerpts import split_text
from fastmath.page.run_folders import Run
from fastmath.plots.traces import find_boxes
from fastmath.training.rollout_log import LoggedCompletion, read_completions

MOST_COMPLETIONS = 1200
"""Number of completions that a page holds."""
MOST_CHARACTERS = 1_500_000
"""Number of characters of all of them."""
SHORTEST_TEXT, LONGEST_TEXT = 400, 8_000
"""Numbers of characters of a completion that are shown at least, and at most, if it has as many."""


@dataclass(frozen=True)
class StepCompletions:
    """The completions of a page.

    Attributes:
        logged: number of steps with completions, of all runs.
        shown: number of those that the page holds.
        steps: name of a run → pairs of a step and its completions, as JSON has them, in the order of the steps.
    """

    logged: int
    shown: int
    steps: Mapping[str, Sequence[tuple[int, list[dict[str, Any]]]]]


def gather_completions(runs: Sequence[Run]) -> StepCompletions:
    """The completions of the runs' steps; of long trainings those of every n-th step, and always of the last."""
    read = {run.name: _group_steps(read_completions(run.folder / "grpo")) for run in runs}
    logged = {name: steps for name, steps in read.items() if steps}
    total = sum(len(completions) for steps in logged.values() for completions in steps.values())
    stride = max(1, math.ceil(total / MOST_COMPLETIONS))
    kept = {name: {step: steps[step] for step in choose_steps(list(steps), stride)} for name, steps in logged.items()}
    count = sum(len(completions) for steps in kept.values() for completions in steps.values())
    longest = max(SHORTEST_TEXT, min(LONGEST_TEXT, MOST_CHARACTERS // max(1, count)))
    return StepCompletions(
        logged=sum(map(len, logged.values())),
        shown=sum(map(len, kept.values())),
        steps={name: list(_write_steps(steps, longest)) for name, steps in kept.items()},
    )


def choose_steps(steps: Sequence[int], stride: int) -> list[int]:
    """Every `stride`-th of the steps, counted from the last one backwards.

    Example: of 1 to 7 with stride 3 these are 1, 4 and 7.
    """
    return list(steps[::-1][::stride])[::-1]


def _group_steps(completions: Sequence[LoggedCompletion]) -> dict[int, list[LoggedCompletion]]:
    return {step: list(group) for step, group in itertools.groupby(completions, key=lambda each: each.step)}


def _write_steps(
    steps: Mapping[int, Sequence[LoggedCompletion]], longest: int
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for step, completions in steps.items():
        yield step, [_write(each, longest) for each in completions]


def _write(completion: LoggedCompletion, longest: int) -> dict[str, Any]:
    return {
        "statement": completion.problem,
        "gold": completion.gold,
        "outcome": completion.outcome,
        "answer": completion.answer,
        "tokens": completion.tokens,
        "reward": completion.reward,
        "rewards": completion.rewards,
        "parts": split_text(completion.text, longest, find_boxes(completion.text)),
    }

"""A few completions of every step of GRPO with what they earned, so that a curve can be asked what it is made of.

They stand in `completions.jsonl` of the stage's folder, one a line, and are the first completions of a step's first
prompts: nobody has chosen them, so that what is seen of them is what is common. This module is read without a trainer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fastmath.runs.files import write_aside
from fastmath.runs.metrics import read_metrics

COMPLETIONS_FILE = "completions.jsonl"
"""Name of the file, in a GRPO stage's folder."""
Outcome = Literal["right", "wrong", "cut", "not judged"]
"""What became of a completion."""


@dataclass(frozen=True)
class LoggedCompletion:
    """One completion that was trained on.

    Attributes:
        step: the optimiser step that trained on it first.
        problem: the last message of its prompt.
        gold: reference answer of its prompt.
        text: the decoded completion, with its last token if that is text.
        answer: content of the box that was read; None for none.
        correct: whether that is right; None where it cannot be judged.
        cut: whether it reached the limit of tokens before its end.
        tokens: number of its tokens, the stop token included.
        rewards: reward function → what it gave, without its weight; None where it could not judge.
        reward: the weighted sum of these; None where none could judge.
    """

    step: int
    problem: str
    gold: str
    text: str
    answer: str | None
    correct: bool | None
    cut: bool
    tokens: int
    rewards: Mapping[str, float | None]
    reward: float | None

    @property
    def outcome(self) -> Outcome:
        """Whether it was cut, and if not, whether it is right."""
        if self.cut:
            return "cut"
        return "not judged" if self.correct is None else "right" if self.correct else "wrong"


class RolloutLog:
    """Appends the completions of a step to the file; one process of a training has one.

    What an earlier life of the training has logged from the first step of this one on is dropped, so that no step is
    listed twice.
    """

    def __init__(self, folder: Path, count: int) -> None:
        """Set where and how many.

        Args:
            folder: the stage's folder.
            count: most completions of a step.
        """
        self.count = count
        self._path = folder / COMPLETIONS_FILE
        self._last: int | None = None

    def write(self, step: int, completions: Sequence[LoggedCompletion]) -> None:
        """Log the completions of a step; those of a further generation of the same step are passed over."""
        if step == self._last:
            return
        if self._last is None:
            earlier = [each for each in read_metrics(self._path) if each["step"] < step]
            with write_aside(self._path) as aside:
                aside.write_text("".join(f"{json.dumps(each)}\n" for each in earlier))
        self._last = step
        with self._path.open("a") as file:
            file.writelines(f"{json.dumps(asdict(each))}\n" for each in completions)


def choose_places(completions: int, generations: int, count: int) -> list[int]:
    """Which of a step's completions are logged: the first of each prompt, then the second of each, and so on.

    Args:
        completions: number of completions, those of a prompt following one another.
        generations: number of completions of a prompt.
        count: most that are logged.

    Example: of 6 completions, 3 a prompt, three are 0, 3 and 1.
    """
    return sorted(range(completions), key=lambda place: (place % generations, place))[:count]


def read_completions(folder: Path) -> list[LoggedCompletion]:
    """The logged completions of a GRPO stage, in order; none where it has logged none."""
    return [LoggedCompletion(**row) for row in read_metrics(folder / COMPLETIONS_FILE)]


def select_step(completions: Sequence[LoggedCompletion], step: int) -> list[LoggedCompletion]:
    """The completions that a step has trained on: its own, or of an earlier one whose completions serve several steps.

    Example: with completions of the steps 1 and 5, step 7 has trained on those of 5; step 0 has trained on none.
    """
    sampled = max((each.step for each in completions if each.step <= step), default=None)
    return [each for each in completions if each.step == sampled]

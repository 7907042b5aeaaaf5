"""What happened at single steps of a training: checkpoints, what the guard found, and which model is the product."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastmath.training.findings import read_findings
from fastmath.training.selection import read_choice, read_interpolation

Kind = Literal["checkpoint", "warning", "stop", "product"]
"""What a mark tells of."""
KINDS: tuple[Kind, ...] = ("checkpoint", "warning", "stop", "product")


@dataclass(frozen=True)
class Mark:
    """One event of a training.

    Attributes:
        step: number of steps that had been made.
        kind: what it tells of.
        text: what is said of it.
    """

    step: int
    kind: Kind
    text: str


def read_marks(folder: Path) -> tuple[Mark, ...]:
    """The events of a training, in the order of their steps.

    Checkpoints are those that are kept (`save_total_limit`).

    Args:
        folder: the stage's folder.
    """
    steps = [int(path.name.rpartition("-")[2]) for path in (folder / "checkpoints").glob("checkpoint-*")]
    marks = [Mark(step, "checkpoint", f"checkpoint after step {step}") for step in steps]
    for finding in read_findings(folder):
        kind: Kind = "stop" if finding.level == "stop" else "warning"
        what = "the guard ended the training" if kind == "stop" else "the guard warned"
        marks.append(Mark(finding.step, kind, f"{what} at step {finding.step}: {finding.message}"))
    choice = read_choice(folder)
    if choice is not None:
        interpolation = read_interpolation(folder)
        between = interpolation is not None and interpolation["taken"]
        product = f"the product lies {interpolation['share']:.0%} of the way to" if between else "the product is"
        marks.append(Mark(choice["step"], "product", f"{product} the model after step {choice['step']}"))
    return tuple(sorted(marks, key=lambda mark: (mark.step, KINDS.index(mark.kind))))

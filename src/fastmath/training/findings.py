"""What the guard of a GRPO training has found, as its file holds it; read without a trainer."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastmath.runs.metrics import read_metrics

GUARD_FILE = "guard.jsonl"
"""Name of the file, in a GRPO stage's folder, with one finding a line."""


@dataclass(frozen=True)
class Finding:
    """One signal that is beyond a limit.

    Attributes:
        step: step at which it was found.
        level: `warn`, or `stop` where the training ends.
        signal: name of the signal, a key of `grpo.guard`.
        message: what was found, and what to look at.
    """

    step: int
    level: Literal["warn", "stop"]
    signal: str
    message: str


def read_findings(folder: Path) -> list[Finding]:
    """What the guard of a GRPO stage has found, in order; nothing where it has none."""
    return [Finding(**row) for row in read_metrics(folder / GUARD_FILE)]


def write_line(finding: Finding) -> str:
    """A finding as a line of the file."""
    return json.dumps(vars(finding)) + "\n"

"""Reading JSON Lines files that are still being written: `metrics.jsonl`, and the progress of sampling."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`, one per logged step, under TRL's names; an incomplete last line is skipped."""
    return list(MetricsTail(path).read_new())


def read_stage_metrics(run_dir: Path, stage: str) -> list[dict[str, Any]]:
    """The rows of a training of a run; none where the run has no such training."""
    return read_metrics(run_dir / stage / "metrics.jsonl")


class MetricsTail:
    """Reads the lines that were appended to a file since the last call."""

    def __init__(self, path: Path, from_end: bool = False) -> None:
        """Remember where to start.

        Args:
            path: the JSON Lines file; it need not exist yet.
            from_end: whether to skip the lines that the file has now.
        """
        self.path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0

    def read_new(self) -> Iterator[dict[str, Any]]:
        """Yield the object of each line that is new and complete; none while the file does not exist."""
        if not self.path.exists():
            return
        if self.path.stat().st_size < self._offset:  # a resumed run has removed the steps that it repeats
            self._offset = 0
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # incomplete: read by the next call
                    return
                self._offset += len(line)
                if line.strip():
                    yield json.loads(line, parse_constant=lambda _: None)  # NaN, of files that Python wrote

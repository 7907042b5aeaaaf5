"""Files of one JSON object a line that grow while they are read: `metrics.jsonl`, and the progress of sampling."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of a `metrics.jsonl`, one object a step, by TRL's own names; an unfinished last line is left out."""
    return list(MetricsTail(path).read_new())


class MetricsTail:
    """Reads what a growing file has gained since the last look."""

    def __init__(self, path: Path, from_end: bool = False) -> None:
        """Start at the beginning of the file, or with `from_end` behind what stands there now."""
        self.path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0

    def read_new(self) -> Iterator[dict[str, Any]]:
        """Yield the objects of the lines that are new and whole."""
        if not self.path.exists():
            return
        if self.path.stat().st_size < self._offset:  # a resumed run has cut the steps that it repeats
            self._offset = 0
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # half a line: read it whole next time
                    return
                self._offset += len(line)
                if line.strip():
                    yield json.loads(line)

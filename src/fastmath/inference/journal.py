"""The kernel's journal: every answer, on disk the moment it is decided, so that a restarted kernel goes on from it.

`questions.jsonl` holds one record a line; beside it `questions.identity.json` says whose they are. A journal belongs to
one model, contest and run: going on from another's would hand in its answers.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

MAX_ERROR_CHARACTERS = 500
"""Kaggle loses the connection over messages of more than 8 KB."""


class JournalError(RuntimeError):
    """The journal belongs to another model, contest or run."""


@dataclass(frozen=True)
class QuestionRecord:
    """One line of the journal.

    Attributes:
        votes: answers in the order in which they were given.
        samples: samples started.
        tokens: generated tokens, those of aborted samples included.
        seconds: from the call to the answer.
        share_seconds, deadline_seconds: what the clock allotted, from the call.
        elapsed_seconds: of the contest, at the answer.
        error: what was caught around the question, None as a rule.
    """

    id: str
    answer: int
    reason: str
    votes: list[int]
    samples: int
    tokens: int
    seconds: float
    share_seconds: float
    deadline_seconds: float
    elapsed_seconds: float
    error: str | None


class Journal:
    """Records of one contest; `answers` holds those of an earlier, interrupted run, too."""

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        """Open the journal, or begin it.

        Args:
            path: `questions.jsonl`.
            identity: model, contest and run that the answers belong to.

        Raises:
            JournalError: the journal is another's.
        """
        self.path = path
        self.answers: dict[str, int] = {}
        self.elapsed = 0.0
        self._identity_path = path.with_suffix(".identity.json")
        if path.exists():
            self._resume(identity)
        else:
            self._begin(identity)

    def write(self, record: QuestionRecord) -> None:
        """Append a record and wait until it is on the disk; a disk that does not take it costs no answer."""
        self.answers[record.id] = record.answer
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(asdict(record)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            logger.exception("the answer %d to %s could not be journaled", record.answer, record.id)

    def _begin(self, identity: Mapping[str, str]) -> None:
        try:
            self._identity_path.write_text(json.dumps({**identity, "began": time.time()}))
        except OSError:
            logger.exception("the journal %s could not be begun; the contest goes on without it", self.path)

    def _resume(self, identity: Mapping[str, str]) -> None:
        found = _read_identity(self._identity_path)
        theirs = {name: found.get(name) for name in identity}
        if theirs != dict(identity):
            raise JournalError(
                f"{self.path} is the journal of {theirs}, and this is {dict(identity)}; move it away, or give this "
                "contest a folder of its own"
            )
        records = read_records(self.path)
        self.answers = {record["id"]: record["answer"] for record in records}
        # Kaggle's clock did not stand still in between.
        last = max((record["elapsed_seconds"] for record in records), default=0.0)
        self.elapsed = max(time.time() - found.get("began", time.time()), last)
        logger.info("%d questions were answered before; %.0f s have passed", len(records), self.elapsed)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a journal, in the order of the answers; a last line that a kill cut off is passed over."""
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            logger.warning("%s: a line that was cut off is passed over: %r", path, line[:80])
    return records


def _read_identity(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}

"""The kernel's journal: every answer, on disk the moment it is decided, so that a restarted kernel goes on from it.

`questions.jsonl` holds one record a line; beside it `questions.identity.json` says whose they are. A journal belongs to
one model, contest and run: going on from another's would hand in its answers.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


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
        started_seconds: of the contest, when the question's time began.
        bank_seconds: saved against even shares up to the answer; below 0 they were overdrawn.
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
    started_seconds: float = 0.0
    bank_seconds: float = 0.0


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
        self._writing = threading.Lock()
        self._unwritten: list[str] = []
        self._identity_path = path.with_suffix(".identity.json")
        if path.exists():
            self._resume(identity)
        else:
            self._begin(identity)

    def write(self, record: QuestionRecord) -> None:
        """Append a record, and those that the disk has not taken before, and wait until they are on the disk.

        A disk that does not take it costs no answer.
        """
        self.answers[record.id] = record.answer
        self._unwritten.append(json.dumps(asdict(record)) + "\n")
        # A write that is still on its way to a slow disk takes this record along when it comes back.
        while self._unwritten and self._writing.acquire(blocking=False):
            try:
                lines = list(self._unwritten)
                self._append("".join(lines))
                del self._unwritten[: len(lines)]
            except OSError:
                logger.exception("the answer %d to %.100s could not be journaled", record.answer, record.id)
                return
            finally:
                self._writing.release()

    def _append(self, lines: str) -> None:
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                # A full disk or a kill has cut the last line off, and the next one must not end up behind it.
                lines = lines if file.read(1) == b"\n" else f"\n{lines}"
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())

    def _begin(self, identity: Mapping[str, str]) -> None:
        try:
            with self._identity_path.open("w") as file:
                json.dump({**identity, "began": time.time()}, file)
                file.flush()
                os.fsync(file.fileno())
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
    records = {}
    for line in path.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
            records[record["id"]] = record  # a disk that failed after it had taken a line has it twice
        except (json.JSONDecodeError, TypeError, KeyError):
            logger.warning("%s: a line that was cut off is passed over: %r", path, line[:80])
    return list(records.values())


def _read_identity(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}

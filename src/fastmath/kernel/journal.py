"""The kernel's journal: every answer is written to disk as soon as it is decided, so that a restarted kernel resumes.

`questions.jsonl` holds one record per line; `questions.identity.json` beside it names the model, the contest and the
run that they belong to. A journal of another model, contest or run is refused, since its answers would be handed in. An
answer is used again only for a question of the same id and the same text.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

JOURNAL = "questions.jsonl"
"""Name of the file of the records."""


class JournalError(RuntimeError):
    """The journal belongs to another model, contest or run."""


@dataclass(frozen=True)
class QuestionRecord:
    """One line of the journal.

    Attributes:
        id: the contest's id of the question.
        answer: integer that was answered.
        reason: what decided the answer, such as `lead`, `all samples` or `deadline`.
        votes: answers of the samples, in the order in which they were given.
        samples: number of samples started.
        tokens: number of generated tokens, those of aborted samples included.
        seconds: wall time from the call to the answer.
        share_seconds: the question's even share of the time left, in seconds from `started_seconds`.
        deadline_seconds: the question's deadline, in seconds from `started_seconds`.
        elapsed_seconds: time of the answer, in seconds since the contest began.
        error: first error that was caught while the question was answered; None = no error.
        started_seconds: time at which the question's time began, in seconds since the contest began.
        bank_seconds: seconds saved so far compared with an even share per question; negative = the contest is behind.
        text_hash: hash of the question's text, see `hash_text`; empty in journals of earlier versions.
        engine_starts: number of engines whose start had begun by then, those from before a restart included.
        vote_seconds: time of each vote, in seconds since the contest began; empty in journals of earlier versions.
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
    text_hash: str = ""
    engine_starts: int = 0
    vote_seconds: list[float] = field(default_factory=list)


class Journal:
    """The journal of one contest.

    Attributes:
        path: file of the records.
        answers: (id of a question, hash of its text) → answer, those from before a restart included.
        elapsed: seconds that the contest had already taken when the journal was resumed; 0 for a new journal.
        engine_starts: number of engines that were started before the journal was resumed.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        """Resume the journal at `path`, or begin a new one.

        Args:
            path: file of the records, `questions.jsonl`.
            identity: model, contest and run that the answers belong to.

        Raises:
            JournalError: the existing journal belongs to another model, contest or run.
        """
        self.path = path
        self.answers: dict[tuple[str, str], int] = {}
        self.elapsed = 0.0
        self.engine_starts = 0
        self._writing = threading.Lock()
        self._unwritten: list[str] = []
        self._identity_path = path.with_suffix(".identity.json")
        if path.exists():
            self._resume(identity)
        else:
            self._begin(identity)

    def write(self, record: QuestionRecord) -> None:
        """Append a record, with any earlier ones that are not yet written, and wait until they are on disk.

        A failing disk is logged and costs no answer.
        """
        self.answers[record.id, record.text_hash] = record.answer
        self._unwritten.append(json.dumps(asdict(record)) + "\n")
        # If another write is still waiting for a slow disk, it will write this record too when it is done.
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
                # A full disk or a kill may have cut off the last line; the next record must start on a new one.
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
        self.answers = {_name_question(record): record["answer"] for record in records}
        self.engine_starts = max((record.get("engine_starts", 0) for record in records), default=0)
        # Kaggle's clock kept running in between.
        last = max((record["elapsed_seconds"] for record in records), default=0.0)
        self.elapsed = max(time.time() - found.get("began", time.time()), last)
        logger.info("%d questions were answered before; %.0f s have passed", len(records), self.elapsed)


def hash_text(text: str) -> str:
    """A short name of a question's text, by which a question with the id of another one is told from it."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def read_records(path: Path) -> list[dict[str, Any]]:
    """Records of a journal, in the order of the answers; lines that were cut off by a kill are skipped."""
    records = {}
    for line in path.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
            records[_name_question(record)] = record  # written twice if the disk failed after writing it
        except (json.JSONDecodeError, TypeError, KeyError):
            logger.warning("%s: a line that was cut off is passed over: %r", path, line[:80])
    return list(records.values())


def _name_question(record: Mapping[str, Any]) -> tuple[str, str]:
    return record["id"], record.get("text_hash", "")


def _read_identity(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}

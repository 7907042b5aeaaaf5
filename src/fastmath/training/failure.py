"""Why a training failed: the error of the one rank that failed first, and the setting to change where it is known.

Every rank runs under torch's `record` (torch.distributed.elastic.multiprocessing.errors), which writes its exception to
a file of its own. Where a rank was killed and could write nothing, the launcher's log says so.
"""

import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastmath.runs.process import cut_tail

ERRORS = "errors"
"""Folder, in that of a training, of the files in which its ranks write their exceptions."""
TRACEBACK_LINES = 16
"""Number of lines at the end of a traceback that a message quotes."""
LAST_LINES = 4
"""Number of lines, printed before a rank was killed, that a message quotes: C++ says there why it aborts."""

# What a rank says when another one is gone: torch's gloo and NCCL groups, and its store.
_CONSEQUENCE = re.compile(
    r"Connection (?:closed|reset) by peer|Broken pipe|DistNetworkError|ncclRemoteError|remote process exited"
    r"|Socket Timeout|recvValue failed|sendBytes failed|ConnectionResetError",
    re.IGNORECASE,
)
_KILLED = (
    # torch elastic's summary, whose last part is the rank that ended first; the others it ends itself.
    re.compile(r"Root Cause.*?\brank\s*:\s*(?P<rank>\d+)[^\n]*\n\s*exitcode\s*:\s*-(?P<signal>\d+)", re.DOTALL),
    re.compile(r"died with <Signals\.\w+: (?P<signal>\d+)>"),  # accelerate's launcher of one process
)
# The launcher's first words after a rank was killed.
_LAUNCHER = re.compile(r"^(?:.*(?:closing signal SIG|failed \(exitcode: )|Traceback \(most recent)", re.MULTILINE)
# Errors that say themselves where they come from and what can be done.
_COMPLETE = re.compile(r"RehearsalMemoryError")
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?P<error>\S.*)")


@dataclass(frozen=True)
class RankError:
    """The exception of one rank.

    Attributes:
        rank: the rank, from 0.
        message: the exception's type and text.
        traceback: the whole traceback; empty where none is known.
        last_words: what was printed before a rank was killed; empty for an exception.
    """

    rank: int
    message: str
    traceback: str
    last_words: str = ""


@dataclass(frozen=True)
class Cure:
    """What can be done about a kind of failure.

    Attributes:
        pattern: text of the exception, or of the end of a killed rank, by which the kind is known.
        advice: what to do; `{section}` stands for the recipe's section, `{name}` for the value of a trainer's setting.
    """

    pattern: re.Pattern[str]
    advice: str


CURES: Sequence[Cure] = (
    Cure(
        re.compile(r"out of memory|OutOfMemoryError|can't allocate memory|MemoryError|SIGKILL", re.IGNORECASE),
        "lower `{section}.trainer.per_device_train_batch_size` (now {per_device_train_batch_size}) and raise "
        "`gradient_accumulation_steps` as much, set `gradient_checkpointing: true`, or name an accelerate file that "
        "shares or offloads more (`{section}.accelerate`)",
    ),
    Cure(
        re.compile(r"NotFiniteError|\bnan\b|\binf\b", re.IGNORECASE),
        "lower `{section}.trainer.learning_rate` (now {learning_rate}), lengthen `warmup_steps` or lower "
        "`max_grad_norm`",
    ),
    Cure(
        re.compile(r"No space left on device|Disk quota exceeded|SafetensorError.*IoError", re.IGNORECASE),
        "make room on the disk, or keep fewer checkpoints (`{section}.trainer.save_total_limit`, now "
        "{save_total_limit})",
    ),
    Cure(
        re.compile(r"timed out|timeout", re.IGNORECASE),
        "find out which rank the others waited for; if its work only takes long, raise `{section}.trainer.ddp_timeout` "
        "(seconds, now {ddp_timeout})",
    ),
)
"""Known kinds of failures, the first that fits is taken."""


def error_file(folder: Path, rank: int) -> Path:
    """The file for one rank's exception."""
    return folder / ERRORS / f"rank-{rank}.json"


def read_errors(folder: Path) -> list[RankError]:
    """The exceptions that the ranks of a training have written, the earliest first."""
    files = sorted((folder / ERRORS).glob("rank-*.json"), key=lambda path: path.stat().st_mtime_ns)
    errors = []
    for path in files:
        written = json.loads(path.read_text())["message"]
        rank = int(path.stem.removeprefix("rank-"))
        errors.append(RankError(rank, written["message"], written["extraInfo"]["py_callstack"]))
    return errors


def find_cause(errors: Sequence[RankError], log: str) -> RankError | None:
    """The error to show: the first that is not the consequence of another rank's end.

    Args:
        errors: exceptions of the ranks, the earliest first.
        log: what launcher and ranks have printed.

    Returns:
        That error; a killed rank where there is none; the first traceback of the log where no rank wrote anything; None
        where the log has no traceback either.
    """
    for error in errors:
        if not _CONSEQUENCE.search(error.message):
            return error
    for pattern in _KILLED:
        if found := pattern.search(log):
            number = int(found["signal"])
            killer = ", the kernel's out-of-memory killer or a person" if number == 9 else ""
            text = f"the process was ended by signal {number} ({_name_signal(number)}{killer})"
            return RankError(int(found.groupdict().get("rank") or 0), text, "", _find_last_words(log))
    if errors:
        return errors[0]
    if found := _TRACEBACK.search(log):
        return RankError(0, found["error"], found[0])
    return None


def explain_failure(errors: Sequence[RankError], log: str, section: str, trainer: Mapping[str, object]) -> str:
    """The message for a failed training: which rank failed with what, and what to do about it where that is known.

    Args:
        errors: exceptions of the ranks, the earliest first.
        log: what launcher and ranks have printed.
        section: the recipe's section, `sft` or `grpo`.
        trainer: settings of the trainer, of which the message names some.
    """
    cause = find_cause(errors, log)
    if cause is None:
        return f"the end of the log:\n{cut_tail(log)}"
    lines = [f"rank {cause.rank}: {cause.message}"]
    if _COMPLETE.match(cause.message):
        return lines[0]
    lines += [f"to mend it: {advice}" for advice in [_find_advice(cause.message, section, trainer)] if advice]
    if cause.traceback:
        lines += ["the end of its traceback:", *cause.traceback.rstrip().splitlines()[-TRACEBACK_LINES:]]
    if cause.last_words:
        lines += ["printed before it:", cause.last_words]
    return "\n".join(lines)


def _find_last_words(log: str) -> str:
    begin = _LAUNCHER.search(log)
    lines = log[: begin.start() if begin else None].replace("\r", "\n").splitlines()
    return "\n".join([line for line in lines if line.strip()][-LAST_LINES:])


def _find_advice(message: str, section: str, trainer: Mapping[str, object]) -> str | None:
    cure = next((cure for cure in CURES if cure.pattern.search(message)), None)
    if cure is None:
        return None
    names = re.findall(r"{(\w+)}", cure.advice)
    return cure.advice.format(**{name: trainer.get(name, "TRL's default") for name in names} | {"section": section})


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return os.strerror(number)

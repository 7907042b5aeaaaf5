"""Rows of every schema: what a record must hold to be one problem with its traces, and how it is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastmath.answers.extract import extract_answer
from fastmath.answers.integers import canonical_answer
from fastmath.data.repair import repair_text
from fastmath.prompts import THINK_END, TraceError, normalise_trace

WANTED_COLUMNS = {
    "nano": ("problem", "answer", "generations"),
    "openr1": ("problem", "answer", "generations"),
    "light_r1": ("conversations",),
    "published": ("problem", "generation", "answer"),
    "problems": ("problem", "answer"),
}
"""Columns that a source must have, by its kind."""

TEXT_KINDS = ("published", "problems")
"""Kinds whose columns are all text, so that a CSV can hold them."""

FURTHER_COLUMNS = ("uuid", "correctness_math_verify", "correctness_llama", "is_reasoning_complete", "finish_reasons")
"""Columns that are read where a source has them."""

# The sentence by which Light-R1 and others ask for a box; it goes, wherever it stands, as our prompt has its own.
_INSTRUCTION = re.compile(
    r"(?:please|let's)\s+(?:reason|think)\s+step\s+by\s+step\b"
    r"(?:[^\n.]*?\\boxed\s*\{+[^{}\n]*\}+[.!]?|[^\n.]*(?:[.!](?=\s|\Z)|(?=\n)|\Z))",
    re.IGNORECASE,
)
_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "system": "system"}


@dataclass(frozen=True)
class SourceRow:
    r"""One problem with its generations.

    Attributes:
        source: name of the source.
        index: number of the row in its source, from 0.
        uuid: identifier of the row that the source itself gives; None where it gives none.
        problem: text of the problem.
        answer: gold answer as text, an integer without leading zeros or decimals; for Light-R1 the answer at the end of
            the trace.
        generations: traces, the solutions with their reasoning, normalised (`fastmath.prompts.normalise_trace`).
        correct: whether each generation is correct; None where the source does not say.
        complete: whether each generation ended by itself, was not cut off, and has the form of a trace.
        repaired: number of LaTeX commands in the row that had lost their backslash and have it again.
    """

    source: str
    index: int
    uuid: str | None
    problem: str
    answer: str
    generations: tuple[str, ...]
    correct: tuple[bool | None, ...]
    complete: tuple[bool, ...]
    repaired: int = 0


@dataclass(frozen=True)
class Reject:
    """A row that was left out.

    Attributes:
        source: name of the source.
        index: number of the row in its source, from 0.
        reason: rule that dropped the row.
        detail: what the rule found.
        excerpt: beginning of the row, as JSON; empty where the row could not be read.
    """

    source: str
    index: int
    reason: str
    detail: str
    excerpt: str


class MalformedRowError(ValueError):
    """A row does not fit its schema; the message becomes the reason of its reject."""


@dataclass(frozen=True)
class _Content:
    """What a schema's reader finds in a record: as in `SourceRow`."""

    problem: str
    answer: str
    traces: tuple[str, ...]
    correct: tuple[bool | None, ...]
    complete: tuple[bool, ...]


def read_row(kind: str, source: str, index: int, record: dict[str, Any]) -> SourceRow:
    """The row of a record, with repaired LaTeX and normalised traces.

    Args:
        kind: schema, a key in `WANTED_COLUMNS`.
        source: name of the source.
        index: number of the row in its source, from 0.
        record: columns of the row, under the names that the schema gives them.

    Raises:
        MalformedRowError: the record does not fit.
    """
    # Before anything is stripped: a form feed at the beginning of a text is white space, and the `\\f` of `\\frac`.
    wanted = {name: value for name, value in record.items() if name in (*WANTED_COLUMNS[kind], *FURTHER_COLUMNS)}
    record, repaired = _repair(wanted)
    content = _READERS[kind](record)
    traces, complete = [], []
    for trace, whole in zip(content.traces, content.complete, strict=True):
        normal, reason = _normalise(trace)
        if reason and len(content.traces) == 1:
            raise MalformedRowError(reason)
        traces.append(normal)
        complete.append(whole and THINK_END in trace and not reason)
    uuid = str(record["uuid"]) if record.get("uuid") is not None else None
    return SourceRow(
        *(source, index, uuid, content.problem, content.answer),
        *(tuple(traces), content.correct, tuple(complete), repaired),
    )


def _repair(value: Any) -> tuple[Any, int]:
    """The value with every text in it repaired, and the number of commands that were."""
    if isinstance(value, str):
        repair = repair_text(value)
        return repair.text, repair.repaired
    if isinstance(value, list):
        items = [_repair(item) for item in value]
        return [item for item, _ in items], sum(count for _, count in items)
    if isinstance(value, dict):
        fields = {name: _repair(item) for name, item in value.items()}
        return {name: item for name, (item, _) in fields.items()}, sum(count for _, count in fields.values())
    return value, 0


def _normalise(trace: str) -> tuple[str, str | None]:
    """The normalised trace, and what keeps it from being trained on."""
    if THINK_END not in trace:
        return trace, None  # it was cut off, which is not the row's fault
    try:
        normal = normalise_trace(trace)
    except TraceError as error:
        return trace, str(error)
    return normal, "control characters in the trace" if repair_text(normal).broken else None


def _read_openr1(record: dict[str, Any]) -> _Content:
    generations = record.get("generations")
    if not isinstance(generations, list) or not all(isinstance(text, str) for text in generations) or not generations:
        raise MalformedRowError("no generations")
    flags = _join_flags(_read_flags(record, "correctness_math_verify"), _read_flags(record, "correctness_llama"))
    flags = flags or [None] * len(generations)
    complete = _read_flags(record, "is_reasoning_complete") or [THINK_END in text for text in generations]
    if len(flags) != len(generations) or len(complete) != len(generations):
        raise MalformedRowError("flags and generations differ in number")
    whole = tuple(flag is True for flag in complete)
    return _Content(_require_text(record, "problem"), _read_answer(record), tuple(generations), tuple(flags), whole)


def _join_flags(checked: list[bool | None] | None, judged: list[bool | None] | None) -> list[bool | None] | None:
    """Flags of math-verify; where it accepts no generation of a row, a language model's acceptance counts.

    OpenR1 asked that model only about rows that math-verify had rejected whole, and kept what it accepted.
    """
    if not checked or not judged or any(checked) or len(checked) != len(judged):
        return checked or judged
    return [True if later else earlier for earlier, later in zip(checked, judged, strict=True)]


def _read_flags(record: dict[str, Any], key: str) -> list[bool | None] | None:
    flags = record.get(key)
    if flags is None:
        return None
    if not isinstance(flags, list) or not all(flag is None or isinstance(flag, bool) for flag in flags):
        raise MalformedRowError(f"{key!r} is no list of true, false and null")
    return flags


def _read_light_r1(record: dict[str, Any]) -> _Content:
    turns = record.get("conversations")
    turns = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    if turns and _ROLES.get(str(turns[0].get("from"))) == "system":
        turns = turns[1:]
    if [_ROLES.get(str(turn.get("from"))) for turn in turns] != ["user", "assistant"]:
        raise MalformedRowError("conversation is not one user and one assistant turn")
    trace = _require_trace(turns[1], "value")
    answer = extract_answer(trace, where="anywhere")
    if answer is None:
        raise MalformedRowError("no answer in the trace")
    problem = _INSTRUCTION.sub("", _require_text(turns[0], "value")).strip()
    if not problem:
        raise MalformedRowError("no problem beside the instruction")
    # The answer was extracted from the trace, so the trace is correct by definition.
    return _Content(problem, canonical_answer(answer), (trace,), (True,), (True,))


def _read_published(record: dict[str, Any]) -> _Content:
    trace = _require_trace(record, "generation")
    return _Content(_require_text(record, "problem"), _read_answer(record), (trace,), (True,), (True,))


def _read_problem(record: dict[str, Any]) -> _Content:
    return _Content(_require_text(record, "problem"), _read_answer(record), (), (), ())


def _read_answer(record: dict[str, Any]) -> str:
    answer = record.get("answer")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return canonical_answer(str(answer))
    return canonical_answer(_require_text(record, "answer"))


def _require_text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise MalformedRowError(f"no text in {key!r}")
    return value.strip()


def _require_trace(record: dict[str, Any], key: str) -> str:
    trace = _require_text(record, key)
    if THINK_END not in trace:
        raise MalformedRowError(f"no {THINK_END} in the trace")
    return trace


_READERS: dict[str, Callable[[dict[str, Any]], _Content]] = {
    "nano": _read_openr1,
    "openr1": _read_openr1,
    "light_r1": _read_light_r1,
    "published": _read_published,
    "problems": _read_problem,
}

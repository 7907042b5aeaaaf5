"""lm-evaluation-harness' `samples_<task>_<date>.jsonl`: one row a problem and filter, with all of its responses.

The rows are those that `lm_eval/evaluator.py` logs and `EvaluationTracker.save_results_samples` writes
(`lm_eval/loggers/evaluation_tracker.py`). They count no tokens and say of no sample why it ended; `exact_match` is one
number a row, so that of several responses only `exact_matches` and `extracted_answers`, lists that some tasks log
beside it, say which one was right.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.extract import extract_boxed
from fastmath.evaluation.formats.records import Problem, Sample, pair_with_problems, read_finish_reason
from fastmath.evaluation.formats.rows import Row, write_rows

FILES = "samples_*.jsonl"
"""Names of the files of one run, one file a task."""
NO_MATCH = "[invalid]"
"""What the harness' regular expressions give for a response in which they find no answer."""
_VERDICTS = ("exact_match", "math_verify", "acc")
"""Metrics of right answers, 0 or 1, in the order in which a row is asked for them."""
_OWN_LISTS = {
    "tokens": "tokens",
    "reasoning_tokens": "reasoning_tokens",
    "finish_reasons": "finish_reason",
    "seeds": "seed",
}
"""Lists that our writer adds to a row, one item a sample → the item's name in the samples table."""


def read_filter(row: Row) -> str | None:
    """The filter that has extracted a row's answers; None in files of versions that do not name it."""
    return row.text("filter")


def read_problem(row: Row) -> Problem:
    """The problem of a row: its id and its statement from the document, its gold answer from the target.

    The id is the document's `id`, or else the row's `doc_id`. Of a target that is a whole solution, as in GSM8K, the
    answer is what stands behind `####`.
    """
    row.require("doc_id", "doc", "target")
    if not isinstance(row.fields["doc"], dict):
        raise row.error("'doc' is no object", "the document as an object")
    document = Row(row.path, row.index, row.line, {name.lower(): value for name, value in row.fields["doc"].items()})
    target = row.text("target")
    answer = None if target is None else target.rpartition("####")[2].strip()
    return Problem(
        document.text("id") or str(row.fields["doc_id"]),
        document.text("problem") or document.text("question"),
        answer,
    )


def read_samples(row: Row) -> list[Sample]:
    """The samples of a row, one for each response to its one request.

    The answers are `extracted_answers`, or else the filtered responses, of which the box counts where they have one or
    are whole responses. Responses that the row does not judge one by one are left to be judged.
    """
    row.require("resps", "filtered_resps")
    texts = _read_responses(row)
    answers = row.items("extracted_answers", len(texts)) or _read_filtered(row, texts)
    verdicts = _read_verdicts(row, len(texts))
    lists = {own: row.items(name, len(texts)) or [None] * len(texts) for name, own in _OWN_LISTS.items()}
    return [
        Sample(
            sample=number,
            text=text or None,
            answer=answer,
            correct=verdict,
            tokens=row.read_count("tokens", lists["tokens"][number]),
            reasoning_tokens=row.read_count("reasoning_tokens", lists["reasoning_tokens"][number]),
            finish_reason=read_finish_reason(lists["finish_reason"][number]),
            seed=row.read_count("seeds", lists["seed"][number]),
        )
        for number, (text, answer, verdict) in enumerate(zip(texts, answers, verdicts, strict=True))
    ]


def write_lm_eval(samples: pl.DataFrame, problems: pl.DataFrame, path: Path, task: str) -> Path:
    """Write one row a problem, with all of its samples as the responses to one request.

    `exact_match` is the share of right samples, so that its mean over the rows is pass@1. The prompt is not known: the
    problem stands for it. Beside the harness' fields a row holds the lists that `exact_match` cannot: `exact_matches`,
    `tokens`, `reasoning_tokens`, `finish_reasons` and `seeds`. A sample's number is its place, so that numbers with
    gaps are not kept.

    Args:
        samples: table of `SAMPLE_SCHEMA`.
        problems: table of `id, problem, answer`.
        path: file to write; or, without the suffix `.jsonl`, a folder in which it is named as the harness names it.
        task: name of the task in that name.

    Returns:
        Path of the file.

    Raises:
        FormatError: a sample's problem is not among the problems.
    """
    rows = [_write_row(number, *pair) for number, pair in enumerate(pair_with_problems(samples, problems))]
    if path.suffix != ".jsonl":
        path.mkdir(parents=True, exist_ok=True)
        path /= f"samples_{task}_{datetime.now().isoformat().replace(':', '-')}.jsonl"
    write_rows(path, rows)
    return path


def _read_responses(row: Row) -> list[str]:
    requests = row.items("resps") or []
    whole = len(requests) == 1 and isinstance(requests[0], list) and all(isinstance(text, str) for text in requests[0])
    if not whole or not requests[0]:
        raise row.error("'resps' is not one list of texts", "the responses to one request: [[text, …]]")
    return requests[0]


def _read_filtered(row: Row, texts: Sequence[str]) -> list[str | None]:
    filtered = row.items("filtered_resps") or []
    if len(filtered) == 1 and isinstance(filtered[0], list):
        filtered = filtered[0]
    if len(filtered) < len(texts):  # the filter kept the first response alone; the others have their boxes
        return [extract_boxed(text) for text in texts]
    if len(filtered) != len(texts) or not all(isinstance(text, str) for text in filtered):
        raise row.error(f"'filtered_resps' holds {len(filtered)} items", f"{len(texts)} texts, one a response")
    return [_read_answer(answer, text) for answer, text in zip(filtered, texts, strict=True)]


def _read_answer(answer: str, text: str) -> str | None:
    if answer == NO_MATCH:
        return None
    boxed = extract_boxed(answer)
    return boxed if boxed is not None or answer.strip() == text.strip() else answer


def _read_verdicts(row: Row, samples: int) -> list[bool | None]:
    """The row's verdicts on its samples; None for each of several that only one number judges."""
    listed = row.items("exact_matches", samples)
    if listed is not None:
        return [row.read_flag("exact_matches", verdict) for verdict in listed]
    name = next((name for name in _VERDICTS if row.fields.get(name) is not None), None)
    return [row.flag(name)] if name is not None and samples == 1 else [None] * samples


def _write_row(number: int, problem: Problem, samples: Sequence[Sample]) -> dict[str, Any]:
    document = {"id": problem.id, "problem": problem.problem or "", "answer": problem.answer}
    answers = [NO_MATCH if sample.answer is None else sample.answer for sample in samples]
    verdicts = [int(sample.correct is True) for sample in samples]
    return {
        "doc_id": number,
        "doc": document,
        "target": problem.answer,
        "arguments": {"gen_args_0": {"arg_0": document["problem"], "arg_1": {}}},
        "resps": [[sample.text or "" for sample in samples]],
        "filtered_resps": answers if len(answers) == 1 else [answers],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": _hash(json.dumps(document, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(str(document["problem"])),
        "target_hash": _hash(str(problem.answer)),
        "exact_match": sum(verdicts) / len(verdicts),
        "extracted_answers": [sample.answer for sample in samples],
        "exact_matches": verdicts,
        **{name: [getattr(sample, own) for sample in samples] for name, own in _OWN_LISTS.items()},
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

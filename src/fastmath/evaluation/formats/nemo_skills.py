"""NeMo-Skills' `output-rs{seed}.jsonl`: one file a sample, one row a problem.

Its generation writes `generation`, `num_generated_tokens` and `finish_reason` beside all fields of the data set's row
(`nemo_skills/inference/generate.py`, `nemo_skills/inference/model/base.py`), and its evaluation adds `predicted_answer`
and `symbolic_correct` (`nemo_skills/evaluation/evaluator/math.py`); earlier versions wrote `is_correct`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.extract import extract_answer
from fastmath.evaluation.formats.records import Problem, Sample, pair_with_problems, read_finish_reason
from fastmath.evaluation.formats.rows import FormatError, Row, write_rows
from fastmath.prompts import THINK_END

FILES = "output-rs*.jsonl"
"""Names of the files of one run; the number behind `rs` is the seed, and in a samples table the sample's number."""
_SEEDED = re.compile(r"output-rs([0-9]+)\.jsonl")


def read_problem(row: Row) -> Problem:
    """The problem of a row; its id is the field `id`, or the row's number, which is the same in all files of a run."""
    return Problem(row.text("id") or str(row.index), row.text("problem"), row.text("expected_answer"))


def read_samples(row: Row) -> list[Sample]:
    """The one sample of a row.

    The answer is `predicted_answer`; of a file that has not been evaluated it is the last box of the generation, and
    none if that was cut off. A chat server's `reasoning_content` stands before the generation. Files of one sample,
    `output.jsonl`, are sample 0.
    """
    named = _SEEDED.fullmatch(row.path.name)
    number = int(named[1]) if named else 0
    text, reasoning = row.text("generation"), row.text("reasoning_content")
    if reasoning is not None:
        text = f"{reasoning}{THINK_END}{text or ''}"
    finish_reason = read_finish_reason(row.fields.get("finish_reason"))
    answer = row.text("predicted_answer")
    if "predicted_answer" not in row.fields:
        row.require("generation")
        answer = None if finish_reason == "length" else extract_answer(text or "", "anywhere", require_finished=False)
    correct = row.flag("symbolic_correct")
    seed = row.count("seed") if "seed" in row.fields or not named else number
    return [
        Sample(
            sample=number,
            text=text,
            answer=answer,
            correct=row.flag("is_correct") if correct is None else correct,
            tokens=row.count("num_generated_tokens"),
            reasoning_tokens=row.count("num_reasoning_tokens"),
            finish_reason=finish_reason,
            seed=seed,
        )
    ]


def write_nemo_skills(samples: pl.DataFrame, problems: pl.DataFrame, folder: Path) -> None:
    """Write `output-rs{sample}.jsonl`, one file for each number of a sample, as an evaluated run has them.

    Beside NeMo-Skills' own fields a row holds `id` and `seed`, which it carries along. A missing text is empty.

    Args:
        samples: table of `SAMPLE_SCHEMA`, with the same number of samples for every problem.
        problems: table of `id, problem, answer`.
        folder: folder to make; it must hold no such files yet, or their samples would be counted with the new ones.

    Raises:
        FormatError: the folder holds such files, problems have other samples than the rest, or one is not known.
    """
    if any(folder.glob(FILES)):
        raise FormatError(f"{folder} holds {FILES} of an earlier run; want a folder without them")
    paired = pair_with_problems(samples, problems)
    numbers = {problem.id: [sample.sample for sample in drawn] for problem, drawn in paired}
    expected = numbers[paired[0][0].id] if paired else []
    for name, found in numbers.items():
        if found != expected:
            raise FormatError(
                f"problem {name!r} has the samples {found}; want {expected}, as the first problem has them"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for position, number in enumerate(expected):
        rows = (_write_row(problem, drawn[position]) for problem, drawn in paired)
        write_rows(folder / f"output-rs{number}.jsonl", rows)


def _write_row(problem: Problem, sample: Sample) -> dict[str, Any]:
    return {
        "id": problem.id,
        "problem": problem.problem or "",
        "expected_answer": problem.answer,
        "generation": sample.text or "",
        "predicted_answer": sample.answer,
        "symbolic_correct": sample.correct,
        **dict(_count_tokens(sample)),
        "finish_reason": sample.finish_reason,
        "seed": sample.seed,
    }


def _count_tokens(sample: Sample) -> Iterator[tuple[str, int]]:
    """The token counts that are known; a null would break the sums of NeMo-Skills' metrics."""
    if sample.tokens is not None:
        yield "num_generated_tokens", sample.tokens
        if sample.reasoning_tokens is not None:
            yield "num_reasoning_tokens", sample.reasoning_tokens
            yield "num_answer_tokens", sample.tokens - sample.reasoning_tokens

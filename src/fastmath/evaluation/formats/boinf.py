"""BoInf's votes, `analysis_<data set>_<model>.jsonl`: one row a problem, with the answer and length of every sample.

The fields are those that `answer_generation/BoN_answeranalyze.py` of jkomiyama/BoInf-code-publish writes and
`boinf/ensemble_utils.py` reads. There are no texts, and the model stands in the file's name alone.
"""

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.evaluation.formats.records import Problem, Sample, pair_with_problems, require_tokens
from fastmath.evaluation.formats.rows import Row, write_rows


def read_problem(row: Row) -> Problem:
    """The problem of a row, whose id is its number."""
    row.require("problem_num", "gold_answer")
    return Problem(str(row.count("problem_num")), None, row.text("gold_answer"))


def read_samples(row: Row) -> list[Sample]:
    """The samples of a row, in the order of `all_answers`; null and an empty text are no answer."""
    row.require("all_answers")
    pairs = row.items("all_answers") or []
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise row.error("'all_answers' is no list of pairs", "[[answer, tokens], …], at least one")
    return [
        Sample(
            sample=number,
            answer=None if answer is None else str(answer),
            tokens=row.read_count("all_answers", tokens),
        )
        for number, (answer, tokens) in enumerate(pairs)
    ]


def write_boinf(samples: pl.DataFrame, problems: pl.DataFrame, path: Path) -> None:
    """Write one row a problem; its number is its id where all ids are whole numbers, and else its place.

    Args:
        samples: table of `SAMPLE_SCHEMA`, with token counts.
        problems: table of `id, answer`.
        path: JSONL file to write; BoInf reads the model from its name, `analysis_<data set>_<model>.jsonl`.

    Raises:
        FormatError: a sample's problem is not among the problems, or a sample has no token count.
    """
    paired = pair_with_problems(samples, problems)
    numbered = all(problem.id.isascii() and problem.id.isdigit() for problem, _ in paired)
    write_rows(
        path,
        [
            _write_row(int(problem.id) if numbered else place, problem, drawn)
            for place, (problem, drawn) in enumerate(paired)
        ],
    )


def _write_row(number: int, problem: Problem, samples: Sequence[Sample]) -> dict[str, Any]:
    counts = collections.Counter(sample.answer for sample in samples if sample.answer is not None)
    tokens = require_tokens(problem, samples)
    return {
        "problem_num": number,
        "total_answers": len(samples),
        "answer_counts": dict(counts),
        "gold_answer": problem.answer,
        "majority_answer": counts.most_common(1)[0][0] if counts else "",
        "all_answers": [[sample.answer, count] for sample, count in zip(samples, tokens, strict=True)],
    }

"""The CSV of a contest's questions, as people have it: found, read, and written in the one form that gateways ask.

Whatever would be asked wrongly is refused here, before a model is loaded.
"""

import logging
from pathlib import Path

import polars as pl

from fastmath.answers.integers import read_gold
from fastmath.contest.inputs import find_only

logger = logging.getLogger(__name__)

QUESTIONS = "test.csv"
ANSWER = "answer"
LARGEST_ANSWER = 2**63 - 1
_QUESTION_NAMES = ("problem", "question")


class GatewayError(RuntimeError):
    """The questions cannot be asked, or the contest would not accept a prediction; no submission is written."""


def find_questions(folder: Path) -> Path:
    """Find the only `test.csv` below a folder; Kaggle has changed the folder in which it mounts a competition's data.

    Raises:
        GatewayError: there is no such file, or more than one.
    """
    advice = (
        "Add the competition to the notebook's inputs (competition_sources in kernel-metadata.json), or name the file "
        "in the parameter `questions`"
    )
    return find_only(QUESTIONS, folder, GatewayError, advice)


def read_questions(path: Path) -> pl.DataFrame:
    r"""Read a CSV of questions.

    The columns may stand in any order: `id`; the question, which is called `problem` or `question`, or is the only
    column besides `id` and `answer`; and `answer`, the correct one, where it is known. Further columns beside a
    `problem` or `question` are left out. Blank lines and a byte-order mark are passed over.

    Returns:
        `id` as text, so that one such as 000123 keeps its zeros; the question under its own name; and, where the file
        has one, `answer` as int64, null where it is empty.

    Raises:
        GatewayError: the file does not exist or cannot be read, has other columns or no rows, an id stands in several
            rows, an id or a question is empty, or an answer is not an integer. The message names the first such row.

    Example: the answer `1,024`, in quotes, is 1024, and `\frac{8}{2}` is 4.
    """
    if not path.is_file():
        raise GatewayError(f"there is no file {path}; want a CSV of id, problem and, where they are known, answer")
    try:
        rows = pl.read_csv(path.read_bytes().decode("utf-8-sig").encode(), infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise GatewayError(f"{path} cannot be read as a CSV of id and problem: {error}") from error
    rows = rows.rename({name: name.strip() for name in rows.columns})
    rows = rows.filter(~pl.all_horizontal(pl.all().str.strip_chars().fill_null("") == ""))
    question = _find_question(rows, path)
    rows = rows.select("id", question, *([ANSWER] if ANSWER in rows.columns else []))
    rows = rows.with_columns(pl.col("id").str.strip_chars())
    _require_texts(rows, question, path)
    if ANSWER not in rows.columns:
        return rows
    return rows.with_columns(pl.Series(ANSWER, _read_answers(rows, path), dtype=pl.Int64))


def _find_question(rows: pl.DataFrame, path: Path) -> str:
    others = [name for name in rows.columns if name not in ("id", ANSWER)]
    named = [name for name in others if name in _QUESTION_NAMES]
    chosen = named if named else others
    if rows.is_empty() or "id" not in rows.columns or len(chosen) != 1:
        raise GatewayError(
            f"{path} holds {rows.height} rows of the columns {', '.join(rows.columns)}; want at least one row of id, "
            "problem and, where the answers are known, answer"
        )
    if len(others) > 1:
        logger.warning("of %s only id, %s and, if it is there, answer are read", path, chosen[0])
    return chosen[0]


def _require_texts(rows: pl.DataFrame, question: str, path: Path) -> None:
    for name in ("id", question):
        empty = rows.with_row_index("row").filter(pl.col(name).fill_null("").str.strip_chars() == "")
        if empty.height:
            raise GatewayError(
                f"{path}: `{name}` of question {empty.item(0, 'row') + 1} is empty; fill it, or drop the row"
            )
    repeated = rows.group_by("id", maintain_order=True).len().filter(pl.col("len") > 1)
    if repeated.height:
        identifier, count = repeated.row(0)
        raise GatewayError(f"{path}: the id {identifier!r} stands in {count} rows; want each question under its own id")


def _read_answers(rows: pl.DataFrame, path: Path) -> list[int | None]:
    answers = []
    for identifier, text in rows.select("id", ANSWER).iter_rows():
        given = (text or "").strip()
        value = read_gold(given) if given else None
        if given and (value is None or abs(value) > LARGEST_ANSWER):
            raise GatewayError(
                f"{path}: the answer to {identifier!r} is {given[:60]!r}, which is no integer of 64 bits, as "
                "contests ask for. Correct it, or leave it empty, and the question counts neither as right nor as wrong"
            )
        answers.append(value)
    return answers


def write_questions(held_out: Path, path: Path, count: int, answers: bool = True) -> Path:
    """Write the first held-out problems of a run that have an integer answer as a CSV of questions; returns its path.

    Args:
        held_out: parquet file of the held-out problems, with the columns `id, problem, answer`.
        path: CSV file to write.
        count: maximum number of questions to write.
        answers: whether the CSV also gets the column `answer`.

    Raises:
        GatewayError: no problem has an integer answer.
    """
    problems = pl.read_parquet(held_out).with_columns(pl.col(ANSWER).cast(pl.String))
    integers = [(value := read_gold(text)) is not None and abs(value) <= LARGEST_ANSWER for text in problems[ANSWER]]
    asked = problems.filter(pl.Series(integers, dtype=pl.Boolean)).head(count)
    if asked.is_empty():
        raise GatewayError(f"no problem of {held_out} has an integer answer, as contests ask for; name other questions")
    asked.select("id", "problem", *([ANSWER] if answers else [])).write_csv(path)
    return path


def write_asked(rows: pl.DataFrame, path: Path) -> Path:
    """Write what a gateway is to ask, `id` and question, as a CSV that every reader reads alike; returns its path."""
    rows.select(rows.columns[:2]).write_csv(path, quote_style="non_numeric")
    return path

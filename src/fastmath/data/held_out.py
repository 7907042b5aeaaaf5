"""Held-out problems: those that a recipe evaluates on, and those that it must not train on."""

import collections
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars

from fastmath.answers.integers import read_gold
from fastmath.data.problem_files import find_problem_file
from fastmath.data.schemas import Reject
from fastmath.data.sources import read_problems
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import DataSettings, NanoDataSettings
from fastmath.recipe.errors import SettingsError

logger = logging.getLogger(__name__)

HELD_OUT_SCHEMA = polars.Schema(
    {
        "id": polars.String,
        "problem": polars.String,
        "answer": polars.String,
        "family": polars.String,
        "difficulty": polars.String,
    }
)
"""Columns of held-out problems: answers are integers in plain digits, or LaTeX as it stands in the set; `family` and
`difficulty` are null where a set does not say them."""


@dataclass(frozen=True)
class HeldOutSet:
    """The problems that a recipe evaluates on.

    Attributes:
        problems: table of `HELD_OUT_SCHEMA`.
        rejects: problems of the file that cannot be used.
    """

    problems: polars.DataFrame
    rejects: tuple[Reject, ...] = ()


def read_held_out(settings: DataSettings, seed: int, root: Path) -> HeldOutSet:
    """Read the problems of `data.test_path`, or make those of the embedded task where it names none.

    A problem without text or answer, or with the id of an earlier one, is set aside.

    Args:
        settings: the recipe's `data`.
        seed: seed with which the embedded task makes its problems.
        root: folder at which a relative path starts.

    Raises:
        SettingsError: the file cannot be read, or no problem of it can be used.
    """
    if settings.test_path is None:
        return HeldOutSet(_make_problems("test", settings.nano, settings.nano.test_problems, seed))
    return read_set("data.test_path", settings.test_path, root)


def read_validation(settings: DataSettings, seed: int, root: Path) -> HeldOutSet | None:
    """Read the problems on which GRPO is watched, or make those of the embedded task; None where there are none.

    Args:
        settings: the recipe's `data`.
        seed: seed with which the embedded task makes its problems.
        root: folder at which a relative path starts.

    Raises:
        SettingsError: the file cannot be read, or no problem of it can be used.
    """
    if settings.validation_path is not None:
        return read_set("data.validation_path", settings.validation_path, root)
    count = settings.nano.validation_problems
    return HeldOutSet(_make_problems("validation", settings.nano, count, seed)) if count else None


def _make_problems(split: str, settings: NanoDataSettings, count: int, seed: int) -> polars.DataFrame:
    rows = generate_rows(split, settings, count, seed)
    records = [row | {"id": row["uuid"], "answer": str(row["answer"])} for row in rows]
    return polars.DataFrame(records).select(HELD_OUT_SCHEMA.names())


def read_set(setting: str, name: str, root: Path) -> HeldOutSet:
    """Read a set of problems to evaluate on.

    Args:
        setting: the setting that names the file, for error messages.
        name: a local path, or `hf://datasets/OWNER/NAME@COMMIT/FILE`.
        root: folder at which a relative path starts.

    Raises:
        SettingsError: the file cannot be read, or no problem of it can be used.
    """
    path = find_problem_file(f"`{setting}`", name, root)
    held_out = sort_out(list(read_problems(path)))
    if held_out.rejects:
        reasons = collections.Counter(reject.reason for reject in held_out.rejects)
        counts = ", ".join(f"{count:,} with {reason}" for reason, count in reasons.most_common())
        logger.warning("%s: %d held-out problems are set aside: %s", path.name, len(held_out.rejects), counts)
        if held_out.problems.is_empty():
            raise SettingsError(f"`{setting}`: no problem of {path} can be used: {counts}; want problems and answers")
    if held_out.problems.is_empty():
        raise SettingsError(f"`{setting}`: {path} holds no problem; want JSONL, CSV or parquet of problem and answer")
    return held_out


def sort_out(rows: Sequence[dict[str, str]]) -> HeldOutSet:
    """Sort rows of held-out problems, as `read_problems` gives them, into those that can be evaluated on and others."""
    kept: dict[str, tuple[str, str, str, str | None, str | None]] = {}
    rejects = []
    for index, row in enumerate(rows):
        integer = read_gold(row["answer"])
        answer = row["answer"] if integer is None else str(integer)
        if not row["problem"].strip():
            reason, detail = "no text in 'problem'", ""
        elif not answer:
            reason, detail = "no answer", ""
        elif row["id"] in kept:
            reason, detail = "the id of an earlier problem", row["id"]
        else:
            kept[row["id"]] = (row["id"], row["problem"], answer, row.get("family"), row.get("difficulty"))
            continue
        rejects.append(Reject("held-out", index, reason, detail[:200], row["problem"][:200]))
    return HeldOutSet(polars.DataFrame(list(kept.values()), schema=HELD_OUT_SCHEMA, orient="row"), tuple(rejects))

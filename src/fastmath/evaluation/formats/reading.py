"""Files of samples in the formats of peers: recognised by what they hold, and read into one table.

| format | one row is | what it does not hold |
| :-- | :-- | :-- |
| our own samples, parquet | a sample | the problems |
| `nemo_skills`: NeMo-Skills' `output-rs{seed}.jsonl` | a sample, one file for each | |
| `lm_eval`: lm-evaluation-harness' `samples_<task>_<date>.jsonl` | a problem and filter | tokens, why a sample ended |
| `boinf`: BoInf's `analysis_<data set>_<model>.jsonl` | a problem | texts, why a sample ended |
| `votes`: recorded votes | a problem and model | texts, why a sample ended |
"""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fastmath.data.sources import read_problems
from fastmath.evaluation.formats import boinf, lm_eval, nemo_skills, votes
from fastmath.evaluation.formats.records import (
    Problem,
    Sample,
    build_problems_table,
    build_samples_table,
    collect_problems,
    require_distinct,
)
from fastmath.evaluation.formats.rows import FormatError, Row, read_rows
from fastmath.recipe.errors import suggest
from fastmath.sampling.samples import SAMPLE_SCHEMA

_PARQUET = b"PAR1"
"""The first bytes of a parquet file."""
_PROBLEM_SUFFIXES = (".csv", ".json", ".gz")
"""Suffixes of files that hold problems alone, not one object a line."""


@dataclass(frozen=True)
class _Variants:
    """What the rows of one file may differ in, of which a table holds one: models or filters.

    Attributes:
        name: `model` or `filter`; the option that chooses has this name.
        read: the variant of a row.
    """

    name: str
    read: Callable[[Row], str | None]


@dataclass(frozen=True)
class _Format:
    """A format of JSONL.

    Attributes:
        marks: sets of fields; a row that has all fields of one of them is in this format.
        read_problem: the problem of a row.
        read_samples: the samples of a row.
        repeats: whether a row with the id of an earlier one is another problem, rather than another of its samples.
        variants: what a file may hold several of; None where it cannot.
    """

    marks: tuple[frozenset[str], ...]
    read_problem: Callable[[Row], Problem]
    read_samples: Callable[[Row], list[Sample]]
    variants: _Variants | None = None
    repeats: bool = False


_FORMATS = {
    "lm-eval": _Format(
        (frozenset({"doc_id", "resps"}),),
        lm_eval.read_problem,
        lm_eval.read_samples,
        _Variants("filter", lm_eval.read_filter),
    ),
    "boinf": _Format((frozenset({"gold_answer", "all_answers"}),), boinf.read_problem, boinf.read_samples),
    "votes": _Format(
        (frozenset({"gold", "answers"}), frozenset({"answers", "tokens"})),
        votes.read_problem,
        votes.read_samples,
        _Variants("model", votes.read_model),
        repeats=True,
    ),
    "nemo-skills": _Format(
        (frozenset({"generation"}), frozenset({"predicted_answer"})), nemo_skills.read_problem, nemo_skills.read_samples
    ),
}


def read_samples_table(path: Path, model: str | None = None, filter_name: str | None = None) -> pl.DataFrame:
    """Read the samples of one model, whatever the format of its file.

    A verdict is the file's own where it has one, else that of our verifier; see `build_samples_table`. `tokens` is null
    in files that count none, and `finish_reason` in files that do not say it.

    Args:
        path: a file; a folder of `output-rs*.jsonl`, or with one file of lm-evaluation-harness; or such a pattern.
        model: model whose votes are wanted; only recorded votes name models, and only those of several need it.
        filter_name: filter whose answers are wanted, of a file of lm-evaluation-harness with several.

    Returns:
        Table of `SAMPLE_SCHEMA`, problems in the file's order and samples in that of their numbers.

    Raises:
        FormatError: the file is missing, broken or of no known format, it holds several models or filters and none is
            chosen, or it has no samples of the chosen one.
    """
    files = _find_files(path)
    if _is_parquet(files[0]):
        return _read_parquet(files[0])
    form, rows = _read_files(path, files)
    if form is None:
        raise _unknown_format(rows[0])
    rows = _select(path, rows, form.variants, {"model": model, "filter": filter_name})
    stated = _read_problems(form, rows)
    samples = [(problem, sample) for row, problem in stated for sample in form.read_samples(row)]
    require_distinct(str(path), samples)
    order = {problem.id: place for place, problem in enumerate(collect_problems(stated))}
    samples.sort(key=lambda pair: (order[pair[0].id], pair[1].sample))
    return build_samples_table(samples)


def read_problems_table(path: Path) -> pl.DataFrame:
    """Read the problems of a file of samples that states them, or of a file of problems.

    Args:
        path: as for `read_samples_table`; or parquet, CSV or JSONL of `id, problem, answer`.

    Returns:
        Table of `id, problem, answer`, all text; `problem` is null where the format has none.

    Raises:
        SettingsError: the file is missing or broken, states no problems, or two of one id.
    """
    files = _find_files(path)
    if _is_parquet(files[0]):
        if "problem_id" in _load_parquet(files[0]).columns:
            raise FormatError(
                f"{path} is a table of samples, which states no problems; want a file of id, problem, answer "
                "(--problems)"
            )
        return _read_problem_file(files[0])
    if files[0].suffix in _PROBLEM_SUFFIXES:
        return _read_problem_file(files[0])
    form, rows = _read_files(path, files)
    if form is None:
        return _read_problem_file(files[0])
    return build_problems_table(collect_problems(_read_problems(form, rows)))


def _find_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        patterns = (nemo_skills.FILES, "output.jsonl", lm_eval.FILES)
        found = next((files for pattern in patterns if (files := sorted(path.glob(pattern)))), [])
        if not found:
            raise FormatError(f"the folder {path} holds no samples; want {', '.join(patterns)} in it, or a file")
        return found
    found = sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []
    if not found:
        raise FormatError(f"there is no file {path}; want a file of samples, a folder of them, or a pattern")
    return found


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error}") from error


def _load_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FormatError(f"{path} is no whole parquet file: {error}") from error


def _read_parquet(path: Path) -> pl.DataFrame:
    table = _load_parquet(path)
    missing = [name for name in SAMPLE_SCHEMA.names() if name not in table.columns]
    if missing:
        raise FormatError(
            f"{path} has no column {', '.join(missing)} among {', '.join(table.columns)}; want a table of samples"
        )
    return table.select(pl.col(name).cast(kind) for name, kind in SAMPLE_SCHEMA.items())


def _read_problem_file(path: Path) -> pl.DataFrame:
    problems: dict[str, Problem] = {}
    for index, row in enumerate(read_problems(path)):
        if row["id"] in problems:
            raise FormatError(
                f"{path}, row {index}: the id {row['id']!r} of an earlier problem; want one row a problem"
            )
        problems[row["id"]] = Problem(row["id"], row["problem"], row["answer"])
    return build_problems_table(problems.values())


def _read_files(path: Path, files: Sequence[Path]) -> tuple[_Format | None, list[Row]]:
    """The format of the files' first row, and all of their rows; None where the row is in no format."""
    rows = [row for file in files for row in read_rows(file)]
    first = set(rows[0].fields)
    form = next((form for form in _FORMATS.values() if any(marks <= first for marks in form.marks)), None)
    if len(files) > 1 and form is not _FORMATS["nemo-skills"]:
        raise FormatError(f"{path} is {len(files)} files, from {files[0].name} to {files[-1].name}; want one of them")
    return form, rows


def _read_problems(form: _Format, rows: Sequence[Row]) -> list[tuple[Row, Problem]]:
    """The rows with their problems; where ids repeat, the second problem of the id `p` is `p (2)`.

    Published votes have such ids: two problems with equal golds that nobody could tell apart.
    """
    counts: collections.Counter[tuple[str | None, str]] = collections.Counter()
    stated = []
    for row in rows:
        problem = form.read_problem(row)
        if form.repeats:
            key = (form.variants.read(row) if form.variants else None, problem.id)
            counts[key] += 1
            if counts[key] > 1:
                problem = dataclasses.replace(problem, id=f"{problem.id} ({counts[key]})")
        stated.append((row, problem))
    return stated


def _select(path: Path, rows: list[Row], variants: _Variants | None, chosen: dict[str, str | None]) -> list[Row]:
    """The rows of the chosen model or filter, or all where there is but one and none is chosen."""
    if variants is None:
        return rows
    found, wanted = _list_variants(rows, variants), chosen[variants.name]
    if wanted is None:
        if len(found) > 1:
            raise FormatError(
                f"{path} holds {len(found)} {variants.name}s: {', '.join(found)}; want one of them (--{variants.name}"
                f"{', or PATH:MODEL to compare' if variants.name == 'model' else ''})"
            )
        return rows
    if wanted not in found:
        raise FormatError(f"{path} holds no {variants.name} {wanted!r}{suggest(wanted, found)}")
    return [row for row in rows if variants.read(row) == wanted]


def _list_variants(rows: Sequence[Row], variants: _Variants) -> list[str]:
    return list(dict.fromkeys(name for row in rows if (name := variants.read(row)) is not None))


def _unknown_format(row: Row) -> FormatError:
    known = [f"{' and '.join(sorted(form.marks[0]))} ({name})" for name, form in _FORMATS.items()]
    return row.error(f"the fields {', '.join(row.fields) or 'none'}", f"parquet of samples, or {', or '.join(known)}")

"""Judging every row of a source once, part by part, and recording only what the draws need.

A build reads its sources twice: the survey finds out which rows pass which rules, the draws choose rows, and only the
chosen rows are read again, for their shortest correct generation. So memory grows with the number of rows and not with
the length of their traces. The survey of each part is a file of its own, so that an interrupted build resumes where it
stopped.
"""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars

from fastmath.answers.judge import judge_completions
from fastmath.answers.verifier import Verifier
from fastmath.data.decontaminate import HeldOut, HeldOutProblem, normalize_problem
from fastmath.data.repair import repair_text
from fastmath.data.schemas import Reject, SourceRow
from fastmath.data.select import passes_accuracy, share_correct
from fastmath.data.sources import Part, read_part
from fastmath.data.tokens import TokenCounter
from fastmath.recipe.data import DecontaminationSettings
from fastmath.runs.files import write_parquet

BATCH_ROWS = 128
"""Rows whose generations are judged together."""
SURVEY_SCHEMA = polars.Schema(
    {
        "source": polars.String,
        "index": polars.Int64,
        "uuid": polars.String,
        "key": polars.String,
        "accuracy": polars.Float64,
        "generations": polars.Int64,
        "passes": polars.List(polars.Boolean),
        "repaired": polars.Int64,
        "reason": polars.String,
        "detail": polars.String,
        "excerpt": polars.String,
    }
)
"""One row for every row of a source; `reason` is null where it may be drawn, `key` is its problem, normalised."""

CHOSEN_SCHEMA = polars.Schema(
    {
        "source": polars.String,
        "index": polars.Int64,
        "problem": polars.String,
        "generation": polars.String,
        "answer": polars.String,
        "tokens": polars.Int64,
    }
)
"""A chosen row with its correct generation of fewest tokens; `generation` and `tokens` are null where it has none."""


@dataclass(frozen=True)
class SurveyInputs:
    """Inputs that a process needs for any part, as files, so that they are cheap to send and loaded once per process.

    Attributes:
        tokenizer: path of the `tokenizer.json` that counts lengths.
        held_out: path of the parquet file of held-out problems, with columns `name, id, problem`.
        settings: settings by which problems are matched with held-out ones.
    """

    tokenizer: Path
    held_out: Path
    settings: DecontaminationSettings


def survey_part(inputs: SurveyInputs, part: Part, folder: Path) -> Path:
    """Judge every row of a part and return the file of its survey; a file that an earlier run left is reused."""
    path = folder / f"{name_part(part)}.parquet"
    if not path.exists():
        counter, held_out = _load(inputs)
        with Verifier(workers=1) as verifier:
            rows = list(judge_rows(read_part(part), counter, held_out, verifier, part))
        write_parquet(polars.DataFrame(rows, schema=SURVEY_SCHEMA, orient="row"), path)
    return path


def collect_part(inputs: SurveyInputs, part: Part, indices: Sequence[int], folder: Path) -> Path:
    """Read the chosen rows of a part again and return a file of them, each with its shortest correct generation."""
    name = hashlib.sha256(f"{name_part(part)}/{sorted(indices)}".encode()).hexdigest()[:32]
    path = folder / f"chosen-{name}.parquet"
    if not path.exists():
        counter, _ = _load(inputs)
        with Verifier(workers=1) as verifier:
            rows = list(_collect_rows(part, set(indices), counter, verifier))
        write_parquet(polars.DataFrame(rows, schema=CHOSEN_SCHEMA, orient="row"), path)
    return path


def name_part(part: Part) -> str:
    """A file name that changes with the content of the part and with the settings of its source."""
    stat = None if part.shard is None else part.shard.path.stat()
    version = None if stat is None else (stat.st_size, stat.st_mtime_ns)
    return hashlib.sha256(f"{part!r}/{version}".encode()).hexdigest()[:32]


def judge_rows(
    rows: Iterator[SourceRow | Reject], counter: TokenCounter, held_out: HeldOut, verifier: Verifier, part: Part
) -> Iterator[tuple[object, ...]]:
    """Yield a row of `SURVEY_SCHEMA` for each row of the part, in order."""
    while batch := list(islice(rows, BATCH_ROWS)):
        sound = [row for row in batch if isinstance(row, SourceRow)]
        verdicts = iter(judge_generations(sound, verifier))
        for row in batch:
            if isinstance(row, Reject):
                yield (row.source, row.index, None, None, None, None, None, 0, row.reason, row.detail, row.excerpt)
            else:
                yield _survey_row(row, next(verdicts), counter, held_out, part)


def judge_generations(rows: Sequence[SourceRow], verifier: Verifier) -> list[tuple[bool, ...]]:
    """Whether each generation of each row is correct.

    A generation that was cut off is never correct. A flag of the source takes precedence over our own verification,
    which judges only generations without a flag; one that cannot be judged counts as wrong.
    """
    flags = [
        [flag if complete else False for flag, complete in zip(row.correct, row.complete, strict=True)] for row in rows
    ]
    unknown = [(row, number) for row, known in zip(rows, flags, strict=True) for number in _unknown(known)]
    texts, golds = [row.generations[number] for row, number in unknown], [row.answer for row, _ in unknown]
    judgements = iter(judge_completions(texts, golds, verifier, where="anywhere"))
    return [tuple(next(judgements).correct is True if flag is None else flag for flag in known) for known in flags]


def _unknown(flags: Sequence[bool | None]) -> list[int]:
    return [number for number, flag in enumerate(flags) if flag is None]


def _survey_row(
    row: SourceRow, correct: tuple[bool, ...], counter: TokenCounter, held_out: HeldOut, part: Part
) -> tuple[object, ...]:
    broken = repair_text(row.problem).broken + repair_text(row.answer).broken
    accuracy = share_correct(correct) if correct else None
    reason, detail = None, ""
    match = held_out.match(row.problem)
    if broken:
        reason, detail = "broken control characters", f"{broken} in the problem and its answer"
    elif match is not None:
        reason = "stands in the held-out problems"
        detail = f"{match.name} {match.id}: " + ("same text" if match.exact else f"{match.share:.0%} of its n-grams")
    elif correct and not any(correct):
        reason, detail = "no correct generation", f"of {len(correct)}"
    passes = [] if reason or accuracy is None else _passes(row, correct, accuracy, counter, part)
    excerpt = "" if any(passes) else row.problem[:200]
    return (
        *(
            row.source,
            row.index,
            row.uuid,
            normalize_problem(row.problem),
            accuracy,
            len(correct),
            passes,
            row.repaired,
        ),
        *(reason, detail, excerpt),
    )


def _passes(row: SourceRow, correct: Sequence[bool], accuracy: float, counter: TokenCounter, part: Part) -> list[bool]:
    """Which rules the row passes; tokens are counted only where the accuracy passes, the longest text first."""
    texts = sorted((text for text, right in zip(row.generations, correct, strict=True) if right), key=len, reverse=True)
    return [
        passes_accuracy(accuracy, rule)
        and (rule.trace_tokens_above is None or any(counter.exceeds(text, rule.trace_tokens_above) for text in texts))
        for rule in part.source.rules
    ]


def _collect_rows(
    part: Part, wanted: set[int], counter: TokenCounter, verifier: Verifier
) -> Iterator[tuple[object, ...]]:
    rows = (row for row in read_part(part) if row.index in wanted and isinstance(row, SourceRow))
    while batch := list(islice(rows, BATCH_ROWS)):
        for row, correct in zip(batch, judge_generations(batch, verifier), strict=True):
            texts = [text for text, right in zip(row.generations, correct, strict=True) if right]
            if not texts:
                yield row.source, row.index, row.problem, None, row.answer, None
                continue
            best, tokens = counter.shortest(texts)
            yield row.source, row.index, row.problem, texts[best], row.answer, tokens


@functools.lru_cache(maxsize=1)
def _load(inputs: SurveyInputs) -> tuple[TokenCounter, HeldOut]:
    rows = polars.read_parquet(inputs.held_out)
    problems = [HeldOutProblem(*row) for row in rows.select("name", "id", "problem").iter_rows()]
    return TokenCounter(inputs.tokenizer.read_text()), HeldOut(problems, inputs.settings.ngram, inputs.settings.share)

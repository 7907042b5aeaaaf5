"""Paired comparisons: each model of a run with the one before it, and the models of two runs that have one name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastmath.evaluation.comparison import ComparisonError, Differences, Groups, compare_groups, compare_samples
from fastmath.evaluation.comparison_text import METRIC_NAMES, TOKENS, describe, render_groups_table, write_cell
from fastmath.evaluation.report import read_all_samples, read_asked
from fastmath.evaluation.tables import read_differences, render_budgets_table
from fastmath.page.run_folders import Run


@dataclass(frozen=True)
class Change:
    """What one metric of B is above that of A.

    Attributes:
        metric: what is compared.
        text: the difference with its interval.
        words: what that shows.
        is_shown: whether the interval excludes 0.
        low: the low end of the interval, as a part of the widest one of its kind in the comparison, from -1 to 1.
        value: the difference, likewise.
        high: the high end, likewise.
    """

    metric: str
    text: str
    words: str
    is_shown: bool
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the problems that both were asked.

    Attributes:
        a: the one model.
        b: the other.
        problems: number of problems.
        token_budget: tokens that a sample may take; None for as many as the evaluations allowed.
        changes: one for each metric.
        scales: what the ends of the pictures stand for: of shares, and of tokens.
        tables: further tables in markdown: smaller budgets, and groups of problems.
    """

    a: str
    b: str
    problems: int
    token_budget: int | None
    changes: tuple[Change, ...]
    scales: tuple[str, ...]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a page.

    Attributes:
        pairs: the comparisons.
        notes: what could not be compared, and why.
    """

    pairs: tuple[Comparison, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Pair:
    """A comparison before it is written."""

    a: str
    b: str
    token_budget: int | None
    differences: Differences
    tables: tuple[str, ...]


def compare_runs(runs: Sequence[Run]) -> Comparisons:
    """Compare the models within each run, as its report does, and those of later runs with the first one's.

    Args:
        runs: the runs; those that have not been evaluated are left out.
    """
    evaluated = [run for run in runs if run.report is not None]
    notes: list[str] = []
    pairs = [pair for run in evaluated for pair in _read_pairs(run, named=len(runs) > 1)]
    pairs += _compare_with_first(evaluated, notes)
    return Comparisons(tuple(map(_write, pairs)), tuple(notes))


def _read_pairs(run: Run, named: bool) -> Iterator[_Pair]:
    """The comparisons of a run's report."""
    prefix = f"{run.name}: " if named else ""
    for pair in run.report["comparisons"]:
        groups = {
            kind: {value: read_differences(metrics) for value, metrics in values.items()}
            for kind, values in pair["groups"].items()
        }
        tables = ([render_budgets_table(pair)] if pair["budgets"] else []) + _render_groups(groups)
        a, b = f"{prefix}{pair['a']}", f"{prefix}{pair['b']}"
        yield _Pair(a, b, pair["token_budget"], read_differences(pair), tuple(tables))


def _compare_with_first(runs: Sequence[Run], notes: list[str]) -> Iterator[_Pair]:
    """Compare the models of later runs with those of the first that have the same names."""
    if len(runs) < 2:
        return
    first, *others = runs
    ours, problems = read_all_samples(first.folder), read_asked(first.folder)
    for run in others:
        theirs = read_all_samples(run.folder)
        for model in (name for name in ours if name in theirs):
            a, b = f"{first.name}: {model}", f"{run.name}: {model}"
            try:
                differences = compare_samples(ours[model], theirs[model])
            except ComparisonError as error:
                notes.append(f"{a} and {b} are not compared: {error}")
                continue
            groups = compare_groups(ours[model], theirs[model], problems)
            yield _Pair(a, b, None, differences, tuple(_render_groups(groups)))


def _render_groups(groups: Groups) -> list[str]:
    return [render_groups_table(kind, values) for kind, values in groups.items()]


def _write(pair: _Pair) -> Comparison:
    widest = {counts: _find_widest(pair.differences, counts) for counts in (False, True)}
    changes = []
    for (name, found), sentence in zip(pair.differences.items(), describe(pair.differences), strict=True):
        ends = (end / widest[name in TOKENS] for end in (found.low, found.difference, found.high))
        words = sentence.rpartition("]: ")[2].rstrip(".")  # the figures stand beside them
        text = write_cell(name, found).strip("*")
        changes.append(Change(METRIC_NAMES.get(name, name), text, words, found.is_shown, *ends))
    problems = next(iter(pair.differences.values())).problems
    scales = [f"shares ±{widest[False]:.3f}"]
    scales += [f"tokens ±{widest[True]:,.1f}"] if any(name in TOKENS for name in pair.differences) else []
    return Comparison(pair.a, pair.b, problems, pair.token_budget, tuple(changes), tuple(scales), pair.tables)


def _find_widest(differences: Differences, counts_tokens: bool) -> float:
    """The largest end of the intervals of the metrics that count tokens, or of the others; 1 where all are 0."""
    counted = [found for name, found in differences.items() if (name in TOKENS) is counts_tokens]
    return max((abs(end) for found in counted for end in (found.low, found.high)), default=0.0) or 1.0

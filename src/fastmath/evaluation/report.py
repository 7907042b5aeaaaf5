"""`report.json`: the figures of a run that the README quotes, computed from the stored samples and the manifests."""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from fastmath.answers.contests import CONTESTS
from fastmath.evaluation.comparison import compare_groups, compare_samples, to_json
from fastmath.evaluation.comparison_text import describe
from fastmath.evaluation.extraction import ExtractionCounts, count_extraction
from fastmath.evaluation.intervals import Estimate, estimate_mean, share_intervals
from fastmath.evaluation.metrics import (
    SampleArrays,
    curve_points,
    group_problems,
    majority_at_k,
    median_tokens,
    pass_at_k,
    token_budgets,
)
from fastmath.evaluation.models import list_models, samples_path
from fastmath.evaluation.problem_sets import PROBLEMS
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json
from fastmath.runs.stage import Stage
from fastmath.runs.stages import NOTEBOOKS

_COMPARED = 16
"""Samples of the majority by which two models are compared, as many as a contest's question takes."""


class ReportError(RuntimeError):
    """A report cannot be made, because some of its input is missing."""


def build_report(run_dir: Path | str) -> dict[str, Any]:
    """Compute the report of a run, write it to `run_dir/report.json` and return it.

    It is called after the evaluation, and again after the kernel to include the kernel's own report.

    Raises:
        ReportError: the run has not been evaluated.
    """
    run_dir = Path(run_dir)
    recipe = _read_recipe(run_dir)
    tables = read_tables(run_dir)
    samples = {name: SampleArrays.from_frame(table) for name, table in tables.items()}
    problems = read_asked(run_dir)
    settings = recipe.evaluate
    median = median_tokens(samples[name_reference(samples)])
    budgets = token_budgets(settings.token_budget, settings.budgets, median, settings.budget_shares)
    manifests = _read_manifests(run_dir)
    report: dict[str, Any] = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "commit": _name_commit(manifests["evaluate"]),
        "wall_seconds": {stage: entry["seconds"] for stage, entry in manifests.items() if "seconds" in entry},
        "peak_memory_gib": max((entry.get("peak_memory_gib") or 0.0 for entry in manifests.values()), default=0.0),
        "models": [
            {
                "name": name,
                "budgets": [measure(arrays, budget, recipe.seed) for budget in budgets],
                **_measure_groups(arrays, problems, budgets, recipe.seed),
                "extraction": asdict(_count_extraction(tables[name], problems, recipe)),
            }
            for name, arrays in samples.items()
        ],
        "comparisons": _compare_models(samples, problems, budgets, recipe.seed),
    }
    kernel = run_dir / "kernel" / "report.json"
    if kernel.exists() and not manifests.get("kernel", {}).get("parameters"):  # a contest of the run's own problems
        report["kernel"] = json.loads(kernel.read_text())
    write_json(run_dir / "report.json", report)
    return report


def refresh_report(stage: Stage) -> None:
    """Add the contest of the stage `kernel` to the report of a run, if it belongs there, see `is_evaluated`."""
    if is_evaluated(stage):
        build_report(stage.run_dir)


def is_evaluated(stage: Stage) -> bool:
    """Whether the contest of the stage `kernel` asks the run's own questions, and its present models were evaluated."""
    return not stage.parameters and Stage("evaluate", stage.recipe, stage.run_dir, stage.root).is_current()


def read_tables(run_dir: Path | str) -> dict[str, pl.DataFrame]:
    """Name → table of samples of every model of an evaluation that has been sampled, in the report's order.

    Raises:
        ReportError: the run has not been evaluated, or no model has samples.
    """
    run_dir = Path(run_dir)
    paths = {name: samples_path(run_dir, name) for name in list_models(_read_recipe(run_dir))}
    tables = {name: pl.read_parquet(path) for name, path in paths.items() if path.exists()}
    if not tables:
        raise ReportError(f"there are no samples in {run_dir}; run stage 'evaluate' first")
    return tables


def read_all_samples(run_dir: Path | str) -> dict[str, SampleArrays]:
    """Name → samples of every model, as `read_tables` finds them.

    Raises:
        ReportError: the run has not been evaluated, or no model has samples.
    """
    return {name: SampleArrays.from_frame(table) for name, table in read_tables(run_dir).items()}


def read_asked(run_dir: Path | str) -> pl.DataFrame:
    """The problems of an evaluation, of `fastmath.evaluation.problem_sets.SCHEMA`; earlier versions kept none."""
    asked = Path(run_dir) / "evaluate" / PROBLEMS
    return pl.read_parquet(asked if asked.exists() else Path(run_dir) / "build_data" / "test.parquet")


def name_reference(models: Iterable[str]) -> str:
    """The model whose lengths set the token budgets: the SFT model, else the first, from which the run began."""
    names = list(models)
    return "sft" if "sft" in names else names[0]


def _measure_groups(samples: SampleArrays, problems: pl.DataFrame, budgets: list[int], seed: int) -> dict[str, Any]:
    """Metrics by set, family and difficulty at the largest budget, `kinds`, and by set at all budgets, `sets`."""
    kinds: dict[str, Any] = {}
    sets: dict[str, Any] = {}
    for kind, values in group_problems(problems, samples.problems).items():
        for value, ids in values.items():
            group = samples.select(ids)
            counted = {"problems": len(ids)}
            if kind == "set":
                sets[value] = counted | {"budgets": [measure(group, budget, seed) for budget in budgets]}
                counted |= sets[value]["budgets"][0]
            else:
                counted |= measure(group, budgets[0], seed)
            kinds.setdefault(kind, {})[value] = counted
    return {"kinds": kinds, "sets": sets}


def _count_extraction(table: pl.DataFrame, problems: pl.DataFrame, recipe: Recipe) -> ExtractionCounts:
    """How answers were extracted; the contest's range holds where all reference answers are in it."""
    low, high = CONTESTS[recipe.kernel.profile].answer_range
    golds = problems["answer"].cast(pl.String).str.to_integer(strict=False)
    fits = golds.null_count() == 0 and golds.is_between(low, high).all()
    return count_extraction(table, problems, (low, high) if fits else None)


def _compare_models(
    samples: Mapping[str, SampleArrays], problems: pl.DataFrame, budgets: list[int], seed: int
) -> list[dict[str, Any]]:
    """Each model against the one before it: differences and words at the largest budget, differences at the others."""
    found = []
    names = list(samples)
    for first, second in itertools.pairwise(names):
        a, b = samples[first], samples[second]
        differences = compare_samples(a, b, _COMPARED, seed)
        whole = to_json(differences, compare_groups(a, b, problems, _COMPARED, seed))
        smaller = [compare_samples(a.cut(budget), b.cut(budget), _COMPARED, seed) for budget in budgets[1:]]
        found.append(
            {
                "a": first,
                "b": second,
                "token_budget": budgets[0],
                **whole,
                "words": describe(differences),
                "budgets": [
                    {"token_budget": budget} | to_json(each, {})
                    for budget, each in zip(budgets[1:], smaller, strict=True)
                ],
            }
        )
    return found


def measure(samples: SampleArrays, token_budget: int, seed: int) -> dict[str, Any]:
    """Metrics of one model under one token budget; intervals are 95 % intervals over problems.

    `answers_collected` is the mean number of samples with an answer per problem, out of N. `mean_tokens` is the mean
    number of generated tokens per sample, cut at the budget; `reasoning_tokens` counts only those up to the end of the
    reasoning, so that models whose samples end at different places can be compared. `cut_off` is the share of samples
    that the budget or the engine's limit ended. `majority` and `pass` are the curves over k, up to N.
    """
    cut, k = samples.cut(token_budget), samples.samples
    shares = {f"majority@{n}": majority_at_k(cut, n) for n in curve_points(k)}
    shares |= {f"pass@{n}": pass_at_k(cut.correct, n) for n in curve_points(k)}
    shares |= {"collected": (cut.answers >= 0).mean(axis=1), "cut_off": cut.cut_off.mean(axis=1)}
    intervals = share_intervals(np.stack(list(shares.values()), axis=1), seed)  # one draw of weights for them all
    found = {name: Estimate(*column) for name, column in zip(shares, intervals.T.tolist(), strict=True)}
    tokens = estimate_mean(cut.tokens.mean(axis=1), seed, (0, token_budget))
    reasoning = estimate_mean(cut.reasoning_tokens.mean(axis=1), seed, (0, token_budget))
    return {
        "token_budget": token_budget,
        "pass@1": asdict(found["pass@1"]),
        f"majority@{k}": asdict(found[f"majority@{k}"]),
        f"pass@{k}": asdict(found[f"pass@{k}"]),
        "answers_collected": found["collected"].value * k,
        "answers_collected_interval": _interval(found["collected"], k),
        "mean_tokens": tokens.value,
        "mean_tokens_interval": _interval(tokens),
        "reasoning_tokens": reasoning.value,
        "reasoning_tokens_interval": _interval(reasoning),
        "cut_off": asdict(found["cut_off"]),
        "majority": {str(n): asdict(found[f"majority@{n}"]) for n in curve_points(k)},
        "pass": {str(n): asdict(found[f"pass@{n}"]) for n in curve_points(k)},
    }


def _interval(estimate: Estimate, scale: float = 1.0) -> dict[str, float]:
    return {"low": estimate.low * scale, "high": estimate.high * scale}


def _read_recipe(run_dir: Path) -> Recipe:
    path = run_dir / "evaluate" / "config.yaml"
    if not path.exists():
        raise ReportError(f"{path} is missing; run stage 'evaluate' of {run_dir} first")
    return Recipe.model_validate(yaml.safe_load(path.read_text()))


def _read_manifests(run_dir: Path) -> dict[str, dict[str, Any]]:
    paths = {stage: run_dir / stage / "manifest.json" for stage in NOTEBOOKS}
    return {stage: json.loads(path.read_text()) for stage, path in paths.items() if path.exists()}


def _name_commit(manifest: Mapping[str, Any]) -> str | None:
    """The git commit of the evaluation; the suffix `-dirty` marks uncommitted changes, as in `git describe --dirty`."""
    commit = manifest["git"]["commit"]
    return f"{commit}-dirty" if commit and manifest["git"]["dirty"] else commit

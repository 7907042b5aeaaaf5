"""`report.json`: the figures of a run that the README quotes, computed from the stored samples and the manifests.

This command prints the markdown table of one run, or of several runs (such as seeds) side by side:

    python -m fastmath.evaluation.report runs/nano runs/nano-seed1 runs/nano-seed2
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fastmath.evaluation.intervals import Estimate, estimate_mean, share_intervals
from fastmath.evaluation.metrics import (
    SampleArrays,
    curve_points,
    majority_at_k,
    median_tokens,
    pass_at_k,
    read_kinds,
    read_samples,
    token_budgets,
)
from fastmath.evaluation.models import MODELS, samples_path
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json
from fastmath.runs.stage import Stage
from fastmath.runs.stages import NOTEBOOKS

_FURTHER = ("answers collected", "reasoning tokens", "all tokens")


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
    samples = read_all_samples(run_dir)
    settings = recipe.evaluate
    budgets = token_budgets(
        settings.token_budget, median_tokens(samples[name_reference(samples)]), settings.budget_shares
    )
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
                "kinds": _measure_kinds(run_dir, name, recipe),
            }
            for name, arrays in samples.items()
        ],
    }
    kernel = run_dir / "kernel" / "report.json"
    if kernel.exists() and not manifests.get("kernel", {}).get("parameters"):  # a contest of the run's own problems
        report["kernel"] = json.loads(kernel.read_text())
    write_json(run_dir / "report.json", report)
    return report


def refresh_report(stage: Stage) -> None:
    """Add the contest of the stage `kernel` to the report of a run, if the run's present models have been evaluated.

    A contest of other questions than the run's own stays out of it.
    """
    evaluation = Stage("evaluate", stage.recipe, stage.run_dir, stage.root)
    if not stage.parameters and evaluation.is_current():
        build_report(stage.run_dir)


def read_all_samples(run_dir: Path | str) -> dict[str, SampleArrays]:
    """Name → samples of every model of a run that has been sampled, in the report's order.

    Raises:
        ReportError: no model has samples.
    """
    paths = {name: samples_path(Path(run_dir), name) for name in MODELS}
    samples = {name: read_samples(path) for name, path in paths.items() if path.exists()}
    if not samples:
        raise ReportError(f"there are no samples in {run_dir}; run stage 'evaluate' first")
    return samples


def name_reference(models: Iterable[str]) -> str:
    """The model whose lengths set the token budgets: the SFT model, else the first, from which the run began."""
    names = list(models)
    return "sft" if "sft" in names else names[0]


def _measure_kinds(run_dir: Path, model: str, recipe: Recipe) -> dict[str, dict[str, dict[str, Any]]]:
    """Metrics by family and by difficulty, at the largest token budget."""
    kinds = read_kinds(samples_path(run_dir, model), run_dir / "build_data" / "test.parquet")
    return {
        kind: {
            value: {"problems": len(arrays.tokens)} | measure(arrays, recipe.evaluate.token_budget, recipe.seed)
            for value, arrays in groups.items()
        }
        for kind, groups in kinds.items()
    }


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


def render_table(report: Mapping[str, Any]) -> str:
    """The report as a markdown table, one row per model and budget, and a sentence about the kernel if it has run."""
    return render_runs_table({"": report})


def render_runs_table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Several reports, by name of the run, in one markdown table; rows of the same model and budget stand together."""
    named = any(reports)
    first = next(iter(reports.values()))
    k = samples_of(first)
    header = ["model", "token budget", "pass@1", f"majority@{k}", f"pass@{k}", *_FURTHER]
    rows = [["run", *header] if named else header]
    rows.append([":--"] * (2 if named else 1) + ["--:"] * (len(header) - 1))
    for model in first["models"]:
        found = {run: _find_budgets(report, model["name"]) for run, report in reports.items()}
        for position in range(max(map(len, found.values()))):
            for run, budgets in found.items():
                if position < len(budgets):  # a run whose budgets coincide has fewer
                    cells = [model["name"], *_cells(budgets[position], k)]
                    rows.append([run, *cells] if named else cells)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    kernels = [_describe_kernel(run, report["kernel"]) for run, report in reports.items() if "kernel" in report]
    return "\n\n".join([table, *kernels])


def render_kinds_table(report: Mapping[str, Any], kind: str) -> str:
    """Metrics by family or by difficulty as a markdown table, at the largest budget; empty where no problem says it.

    Args:
        report: the report of a run.
        kind: `family` or `difficulty`.
    """
    k = samples_of(report)
    values = list(dict.fromkeys(value for model in report["models"] for value in model["kinds"].get(kind, {})))
    if not values:
        return ""
    header = [kind, "problems", "model", "pass@1", f"majority@{k}", f"pass@{k}", *_FURTHER]
    rows = [header, [":--", "--:", ":--"] + ["--:"] * (len(header) - 3)]
    for value in values:
        for model in report["models"]:
            measured = model["kinds"][kind][value]
            rows.append([value, str(measured["problems"]), model["name"], *_cells(measured, k)[1:]])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _find_budgets(report: Mapping[str, Any], model: str) -> list[dict[str, Any]]:
    return next((entry["budgets"] for entry in report["models"] if entry["name"] == model), [])


def samples_of(report: Mapping[str, Any]) -> int:
    """N, the number of samples per problem, read from the report's key `majority@N`."""
    keys = report["models"][0]["budgets"][0]
    return next(int(key.removeprefix("majority@")) for key in keys if key.startswith("majority@"))


def _cells(budget: Mapping[str, Any], k: int) -> list[str]:
    estimates = [budget[name] for name in ("pass@1", f"majority@{k}", f"pass@{k}")]
    return [
        str(budget["token_budget"]),
        *(f"{entry['value']:.3f} [{entry['low']:.3f}, {entry['high']:.3f}]" for entry in estimates),
        f"{budget['answers_collected']:.1f} of {k}",
        f"{budget['reasoning_tokens']:.1f}",
        f"{budget['mean_tokens']:.1f}",
    ]


def _describe_kernel(run: str, kernel: Mapping[str, Any]) -> str:
    share = kernel["tokens"] / kernel["tokens_full_vote"] if kernel.get("tokens_full_vote") else None
    against = "" if share is None else f", {share:.0%} of the {kernel['tokens_full_vote']:,} of full votes"
    voted = f", {kernel['by_vote']} by a vote" if "by_vote" in kernel else ""  # reports of earlier versions have none
    return (
        f"Kernel{f' of {run}' if run else ''}: {kernel['answered']} of {kernel['questions']} questions answered in "
        f"time{voted}, {kernel['correct']} right, in {kernel['seconds']:.1f} s of {kernel['limit_seconds']:.1f} s, "
        f"with {kernel['tokens']:,} tokens{against}."
    )


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of the runs named on the command line."""
    parser = argparse.ArgumentParser(prog="fastmath.evaluation.report", description=main.__doc__)
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    run_dirs = parser.parse_args(arguments).run_dirs
    reports = {str(run_dir): json.loads((run_dir / "report.json").read_text()) for run_dir in run_dirs}
    table = render_table(*reports.values()) if len(reports) == 1 else render_runs_table(reports)
    sys.stdout.write(f"{table}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

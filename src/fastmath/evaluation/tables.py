"""Reports as markdown tables.

This command prints the tables of one run, or those of several runs (such as seeds) side by side with their spread:

    python -m fastmath.evaluation.tables runs/nano runs/nano-seed1 runs/nano-seed2
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastmath.evaluation.comparison import Difference
from fastmath.evaluation.comparison_text import write_cell
from fastmath.evaluation.extraction import ExtractionCounts, render_extraction
from fastmath.evaluation.published import find_published, render_published

_FURTHER = ("answers collected", "cut off", "reasoning tokens", "all tokens")

Report = Mapping[str, Any]


def render_report(report: Report) -> str:
    """All tables of one report: its figures by set, what was published about these sets, the models in pairs."""
    sets = list_sets(report)
    parts = [f"## {name}\n\n{render_set_table(report, name)}" for name in sets] if len(sets) > 1 else []
    title = "## All sets together\n\n" if parts else ""
    parts.append(f"{title}{render_table(report)}")
    parts += [render_published_sets(report), render_comparisons(report), render_extractions(report)]
    return "\n\n".join(part for part in parts if part)


def render_table(report: Report) -> str:
    """The report as a markdown table, one row per model and budget, and a sentence about the kernel if it has run."""
    return render_runs_table({"": report})


def render_set_table(report: Report, name: str) -> str:
    """The figures of one set of problems, one row per model and budget."""
    models = [{"name": model["name"], "budgets": model["sets"][name]["budgets"]} for model in report["models"]]
    return render_runs_table({"": {"models": models}})


def list_sets(report: Report) -> list[str]:
    """Names of the sets of problems in a report; none where these are the run's own held-out ones."""
    return list(dict.fromkeys(name for model in report["models"] for name in model.get("sets", {})))


def render_published_sets(report: Report) -> str:
    """What was published about the sets of a report, marked as such; empty where nothing was."""
    rows = [row for name in list_sets(report) for row in find_published(name)]
    return render_published(dict.fromkeys(rows))


def render_comparisons(report: Report) -> str:
    """Each model against the one before it: what is shown in words, and the differences at every budget."""
    parts = []
    for pair in report["comparisons"]:
        words = "\n".join(f"- {sentence}" for sentence in pair["words"])
        parts.append(f"### {pair['a']} → {pair['b']}\n\n{words}\n\n{render_budgets_table(pair)}")
    return "\n\n".join(parts)


def render_budgets_table(pair: Mapping[str, Any]) -> str:
    """The differences of one comparison of a report, one row per token budget."""
    budgets = [read_differences(each) for each in (pair, *pair["budgets"])]
    metrics = [name for name in budgets[0] if all(name in budget for budget in budgets)]
    rows = [["token budget", *metrics], ["--:"] * (len(metrics) + 1)]
    for each, budget in zip((pair, *pair["budgets"]), budgets, strict=True):
        rows.append([f"{each['token_budget']:,}", *(write_cell(name, budget[name]) for name in metrics)])
    return _join(rows)


def read_differences(found: Mapping[str, Any]) -> dict[str, Difference]:
    """The differences that a report holds at one token budget or of one group of problems."""
    return {
        name: Difference(**value) for name, value in found.items() if isinstance(value, dict) and "difference" in value
    }


def render_extractions(report: Report) -> str:
    """How the answers of each model's samples were extracted."""
    return render_extraction({model["name"]: ExtractionCounts(**model["extraction"]) for model in report["models"]})


def render_runs_table(reports: Mapping[str, Report]) -> str:
    """Several reports, by name of the run, in one markdown table; rows of the same model and budget stand together.

    Below the rows of several runs stands their mean ± their standard deviation, σ: what another seed may change.
    """
    named = any(reports)
    first = next(iter(reports.values()))
    k = samples_of(first)
    header = ["model", "token budget", *_name_estimates(k), *_FURTHER]
    rows = [["run", *header] if named else header]
    rows.append([":--"] * (2 if named else 1) + ["--:"] * (len(header) - 1))
    for model in first["models"]:
        found = {run: _find_budgets(report, model["name"]) for run, report in reports.items()}
        for position in range(max(map(len, found.values()))):
            there = {run: budgets[position] for run, budgets in found.items() if position < len(budgets)}
            for run, budget in there.items():  # a run whose budgets coincide has fewer
                cells = [model["name"], *_cells(budget, k)]
                rows.append([run, *cells] if named else cells)
            if len(there) > 1:
                rows.append(["mean ± σ", model["name"], *_spread(list(there.values()), k)])
    kernels = [_describe_kernel(run, report["kernel"]) for run, report in reports.items() if "kernel" in report]
    return "\n\n".join([_join(rows), *kernels])


def render_kinds_table(report: Report, kind: str) -> str:
    """Metrics by set, family or difficulty as a markdown table, at the largest budget; empty where no problem says it.

    Args:
        report: the report of a run.
        kind: `set`, `family` or `difficulty`.
    """
    k = samples_of(report)
    values = list(dict.fromkeys(value for model in report["models"] for value in model["kinds"].get(kind, {})))
    if not values:
        return ""
    header = [kind, "problems", "model", *_name_estimates(k), *_FURTHER]
    rows = [header, [":--", "--:", ":--"] + ["--:"] * (len(header) - 3)]
    for value in values:
        for model in report["models"]:
            measured = model["kinds"][kind][value]
            rows.append([value, str(measured["problems"]), model["name"], *_cells(measured, k)[1:]])
    return _join(rows)


def render_curves_table(report: Report, metric: str) -> str:
    """majority@k or pass@k against k, at the largest budget, one row per model.

    Args:
        report: the report of a run.
        metric: `majority` or `pass`.
    """
    curves = {model["name"]: model["budgets"][0][metric] for model in report["models"]}
    ks = list(next(iter(curves.values())))
    rows = [["model", *(f"{metric}@{k}" for k in ks)], [":--"] + ["--:"] * len(ks)]
    rows += [[name, *(_show(curve[k]) for k in ks)] for name, curve in curves.items()]
    return _join(rows)


def samples_of(report: Report) -> int:
    """N, the number of samples per problem, read from the report's key `majority@N`."""
    keys = report["models"][0]["budgets"][0]
    return next(int(key.removeprefix("majority@")) for key in keys if key.startswith("majority@"))


def _find_budgets(report: Report, model: str) -> list[dict[str, Any]]:
    return next((entry["budgets"] for entry in report["models"] if entry["name"] == model), [])


def _cells(budget: Mapping[str, Any], k: int) -> list[str]:
    cut_off = budget.get("cut_off")  # reports of earlier versions have none
    return [
        f"{budget['token_budget']:,}",
        *(_show(budget[name]) for name in _name_estimates(k)),
        f"{budget['answers_collected']:.1f} of {k}",
        "" if cut_off is None else f"{cut_off['value']:.1%}",
        f"{budget['reasoning_tokens']:,.1f}",
        f"{budget['mean_tokens']:,.1f}",
    ]


def _name_estimates(k: int) -> tuple[str, str, str]:
    return "pass@1", f"majority@{k}", f"pass@{k}"


def _show(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _spread(budgets: Sequence[Mapping[str, Any]], k: int) -> list[str]:
    """Mean ± standard deviation over runs of every figure; budgets that differ from run to run have a mean, too."""

    def show(values: Iterable[float], form: str) -> str:
        each = list(values)
        return f"{statistics.mean(each):{form}} ± {statistics.stdev(each):{form}}"

    shares = [show((budget[name]["value"] for budget in budgets), ".3f") for name in _name_estimates(k)]
    cut_off = [budget["cut_off"]["value"] for budget in budgets if "cut_off" in budget]
    different = {budget["token_budget"] for budget in budgets}
    return [
        f"{different.pop():,}" if len(different) == 1 else show((budget["token_budget"] for budget in budgets), ",.0f"),
        *shares,
        show((budget["answers_collected"] for budget in budgets), ".1f"),
        show(cut_off, ".1%") if len(cut_off) == len(budgets) else "",
        show((budget["reasoning_tokens"] for budget in budgets), ",.1f"),
        show((budget["mean_tokens"] for budget in budgets), ",.1f"),
    ]


def _describe_kernel(run: str, kernel: Mapping[str, Any]) -> str:
    share = kernel["tokens"] / kernel["tokens_full_vote"] if kernel.get("tokens_full_vote") else None
    against = "" if share is None else f", {share:.0%} of the {kernel['tokens_full_vote']:,} of full votes"
    voted = f", {kernel['by_vote']} by a vote" if "by_vote" in kernel else ""  # reports of earlier versions have none
    full = kernel.get("full_vote_same_clock")
    beside = (
        f" Full votes on the same clock: {full['by_vote']} by a vote, {full['right_by_vote']} right." if full else ""
    )
    return (
        f"Kernel{f' of {run}' if run else ''}: {kernel['answered']} of {kernel['questions']} questions answered in "
        f"time{voted}, {kernel['correct']} right, in {kernel['seconds']:.1f} s of {kernel['limit_seconds']:.1f} s, "
        f"with {kernel['tokens']:,} tokens{against}.{beside}"
    )


def _join(rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of the runs named on the command line."""
    parser = argparse.ArgumentParser(prog="fastmath.evaluation.tables", description=main.__doc__)
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    run_dirs = parser.parse_args(arguments).run_dirs
    reports = {str(run_dir): json.loads((run_dir / "report.json").read_text()) for run_dir in run_dirs}
    table = render_table(*reports.values()) if len(reports) == 1 else render_runs_table(reports)
    sys.stdout.write(f"{table}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Which rewards make nano brief, and at what cost: methods from the literature in one code, from the same SFT models.

    python benchmarks/brevity.py --work WORK [--seeds 0,1] [--variants paper,gdpo] [--tokens 600000] [--results FILE]
    python benchmarks/brevity.py --work WORK --seed 3 --variants paper       # one seed again

For each seed one data set and one SFT model are made, and each variant of `brevity_variants.py` trains that model by
GRPO until it has generated as many tokens as all others. The stage's product, the model that its validations have
chosen, is sampled on the test problems. What is finished is not made again, so the same command goes on where it was
interrupted. On two cores with two trainings side by side a seed took 24 minutes of SFT and six of sampling, and a
variant about twelve of GRPO and two of sampling.

The last line is one JSON object: for each variant the differences to the SFT model it began from, `[value, low, high]`
with intervals by bootstrap over seeds and problems (`brevity_figures.py`), and the winner: of the variants that lose
no more than a hundredth in pass@1, majority@16, pass@16 and validity, the one that saves most tokens.

With `--results` what a work folder holds is added to what the file has already, so that a seed can be run anywhere; the
table beside it (`.parquet`) has the measures of every model by problem, from which all figures can be computed again.
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brevity_figures import FIGURES, Measures, compare, dominates
from brevity_plot import plot_variants
from brevity_records import START, Record, Records, read_records, write_measures
from brevity_variants import BASE, TASK, VARIANTS
from nano_runs import begin_from, make_start, run_stage, sample_model, tell_means

from fastmath.plots.style import save_figure
from fastmath.runs.files import write_json
from fastmath.runs.metrics import read_metrics
from fastmath.training.findings import read_findings
from fastmath.training.selection import read_choice

CHECKOUT = str(Path(__file__).parent.parent.absolute())
"""Folder from which recipes name rewards as `benchmarks.published_rewards:…`."""
TOLERANCE = -0.01
"""Largest loss of accuracy, majority, coverage and validity that a winner may have."""
KEPT = ("pass1_change", "majority_change", "pass16_change", "valid_change")


def train(work: Path, seed: int, variant: str, tokens: int) -> Path:
    """The run folder of a variant, trained from the seed's SFT model."""
    run_dir = work / f"{variant}-{seed}"
    begin_from(make_start(work, seed, TASK), run_dir, "build_data", "sft")
    limits = {"grpo.generated_tokens": tokens, "grpo.environment.PYTHONPATH": CHECKOUT, "seed": seed}
    run_stage("grpo", run_dir, {**TASK, **BASE, **VARIANTS[variant], **limits})
    return run_dir


def describe_training(run_dir: Path) -> dict[str, Any]:
    """What a training did: steps, tokens, the chosen step, why it was stopped, and how soon its length had halved."""
    rows = [row for row in read_metrics(run_dir / "grpo" / "metrics.jsonl") if row.get("completions/mean_length")]
    lengths = [row["completions/mean_length"] for row in rows]
    means = [sum(lengths[max(0, end - 5) : end]) / min(5, end) for end in range(1, len(lengths) + 1)]
    half = next((row["step"] for row, mean in zip(rows, means, strict=True) if mean <= lengths[0] / 2), None)
    return {
        "steps": rows[-1]["step"],
        "generated_tokens": int(sum(row["generation/tokens"] for row in rows)),
        "chosen_step": (read_choice(run_dir / "grpo") or {}).get("step"),
        "steps_to_half_length": half,
        "stopped": [finding.message for finding in read_findings(run_dir / "grpo") if finding.level == "stop"],
    }


def find_records(work: Path) -> Records:
    """Everything that has been sampled in a work folder."""
    records = {}
    for path in sorted(work.glob("*/samples/*.parquet")):
        run_dir = path.parent.parent
        name, _, seed = run_dir.name.rpartition("-")
        if name in (START, *VARIANTS):
            measures = sample_model(run_dir, path.stem, {**TASK, "seed": int(seed)})
            records[name, int(seed)] = Record(measures, {} if name == START else describe_training(run_dir))
    return records


def summarise(records: Records) -> dict[str, Any]:
    """The comparison of models with those from which they began."""
    starts = {seed: record.measures for (name, seed), record in records.items() if name == START}
    variants = {}
    for name in VARIANTS:
        by_seed = {seed: record for (variant, seed), record in sorted(records.items()) if variant == name}
        if by_seed:
            models = {seed: record.measures for seed, record in by_seed.items()}
            figures = compare([starts[seed] for seed in models], list(models.values()), seed=0)
            runs = {seed: {**tell_means(record.measures), **record.training} for seed, record in by_seed.items()}
            beaten = [seed for seed in models if _is_beaten(records.get(("published", seed)), models[seed])]
            variants[name] = {"seeds": list(models), **figures, "runs": runs, "dominated_by_published_in": beaten}
    winner = choose_winner(variants)
    best = {name: variants[winner][name] for name in ("seeds", *FIGURES)} if winner else {}
    told = {seed: tell_means(measures) for seed, measures in sorted(starts.items())}
    return {"winner": winner, **best, "starts": told, "variants": variants}


def _is_beaten(published: Record | None, model: Measures) -> bool:
    return published is not None and dominates([published.measures], [model])


def choose_winner(variants: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The variant that saves most tokens among those that lose nothing; where all lose, the one that loses least.

    Variants with fewer seeds than others do not count.
    """
    most = max((len(figures["seeds"]) for figures in variants.values()), default=0)
    full = {name: figures for name, figures in variants.items() if len(figures["seeds"]) == most}
    losses = {name: min(figures[kept][0] for kept in KEPT) for name, figures in full.items()}
    sound = [name for name, loss in losses.items() if loss >= TOLERANCE]
    if sound:
        return max(sound, key=lambda name: full[name]["tokens_saved"][0])
    return max(losses, key=losses.__getitem__, default=None)


def keep(results: Path, records: Records) -> Records:
    """Write the measures beside a file of results, and return them with those of earlier models, which they replace."""
    table = results.with_suffix(".parquet")
    if results.exists() and table.exists():
        records = read_records(table, json.loads(results.read_text())) | records
    write_measures(table, records)
    return records


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--tokens", type=int, default=600_000, help="generated tokens of each training")
    parser.add_argument("--summary", action="store_true", help="train nothing, and tell what is there")
    parser.add_argument("--results", type=Path, help="JSON of the result, added to")
    parser.add_argument("--figure", type=Path, help="PNG of the result")
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.path.append(CHECKOUT)
    arguments = read_arguments()
    work = arguments.work.absolute()
    seeds = [arguments.seed] if arguments.seed is not None else [int(seed) for seed in arguments.seeds.split(",")]
    for seed in [] if arguments.summary else seeds:
        settings = {**TASK, "seed": seed}
        sample_model(make_start(work, seed, TASK), "sft", settings)
        for variant in arguments.variants.split(","):
            sample_model(train(work, seed, variant, arguments.tokens), "grpo", settings)
    records = find_records(work)
    if arguments.results is not None:
        records = keep(arguments.results, records)
    result = summarise(records)
    if arguments.results is not None:
        write_json(arguments.results, result)
    if arguments.figure is not None:
        save_figure(plot_variants(result), arguments.figure)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""The paper's claims at nano: does long fine-tuning pay, and does GRPO after it pay more than GRPO after a short one?

    python benchmarks/sft_epochs.py --work WORK [--seeds 0,1,2] [--epochs 1,5,10] [--results FILE] [--figure FILE]

For each seed nano is fine-tuned for 1, 5 and 10 epochs, each with a schedule of its own, and each model is trained
further by GRPO: a short fine-tuning leaves more of the same total compute to GRPO. Compute is the time that the tokens
of a training take on the demo's two cores without a neighbour, so that it is the same on every machine: a token of
GRPO's, which is sampled, seen by the reference and trained on, takes as long as four that are fine-tuned on. Every
model is sampled on the test problems, GRPO's product being the model that its validations have chosen. What is finished
is not made again, and seeds can be run side by side.

The last line is one JSON object: by epochs the accuracy, length and answers collected by token budget of both models,
and the differences of each to the longest fine-tuning, `[value, low, high]` by bootstrap over seeds and problems.
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from brevity_figures import FIGURES, Measures, compare
from matplotlib.figure import Figure
from nano_runs import ONE_PROCESS, begin_from, run_stage, sample_model, tell_means

from fastmath.evaluation.intervals import share_intervals
from fastmath.evaluation.metrics import NO_ANSWER, read_samples
from fastmath.plots.style import MODEL_STYLES, STYLE, save_figure
from fastmath.runs.files import write_json
from fastmath.runs.metrics import read_stage_metrics

TASK: Mapping[str, Any] = ONE_PROCESS | {"grpo.interpolation": None}  # the trained models themselves
SFT_RATE, GRPO_RATE = 18_200, 4_300
"""Tokens per second of both trainings, prompts and completions, in `fastmath run nano` (two cores of an AMD EPYC)."""
GRPO_TOKENS = 300_000
"""Tokens of prompts and completions that GRPO has after the longest fine-tuning."""
COMPLETION_SHARE = 0.65
"""Share of completions in GRPO's tokens, by which its end is set; the compute that is told is what was counted."""
BUDGETS = (32, 48, 64, 96, 128, 256)


def run_seed(work: Path, seed: int, epochs: Sequence[int]) -> None:
    """Train and sample every model of one seed."""
    data = work / f"data-{seed}"
    run_stage("build_data", data, {**TASK, "seed": seed})
    for count in epochs:
        run_dir = work / f"epochs-{count}-{seed}"
        settings = {**TASK, "seed": seed, "sft.trainer.num_train_epochs": count}
        begin_from(data, run_dir, "build_data")
        run_stage("sft", run_dir, settings)
        sample_model(run_dir, "sft", settings)
    longest = count_seconds(work / f"epochs-{max(epochs)}-{seed}", "sft")
    for count in epochs:
        run_dir = work / f"epochs-{count}-{seed}"
        settings = {**TASK, "seed": seed, "sft.trainer.num_train_epochs": count}
        saved = (longest - count_seconds(run_dir, "sft")) * GRPO_RATE
        run_stage("grpo", run_dir, settings | limit_grpo(GRPO_TOKENS + saved))
        sample_model(run_dir, "grpo", settings)


def limit_grpo(tokens: float) -> dict[str, Any]:
    """Settings with which GRPO ends after about so many tokens."""
    return {
        "grpo.trainer.max_steps": 2_000,
        "grpo.trainer.save_steps": 100,
        "grpo.validation.every": 20,
        # thousands, so that a plan that is made again is the same
        "grpo.generated_tokens": int(round(tokens * COMPLETION_SHARE, -3)),
    }


def count_seconds(run_dir: Path, stage: str) -> float:
    """Seconds that the tokens of a training take alone on the demo's machine."""
    tokens = max(row.get("num_tokens") or 0.0 for row in read_stage_metrics(run_dir, stage))
    return tokens / {"sft": SFT_RATE, "grpo": GRPO_RATE}[stage]


def count_collected(run_dir: Path, model: str) -> dict[str, float]:
    """Share of samples that have given an answer within a budget, by budget."""
    samples = read_samples(run_dir / "samples" / f"{model}.parquet")
    return {str(budget): float((samples.cut(budget).answers != NO_ANSWER).mean()) for budget in BUDGETS}


def summarise(work: Path, seeds: Sequence[int], epochs: Sequence[int]) -> dict[str, Any]:
    """Figures by epochs, and differences to the longest fine-tuning."""
    measured: dict[tuple[str, int], list[Measures]] = {}
    for model in ("sft", "grpo"):
        for count in epochs:
            settings = {**TASK, "sft.trainer.num_train_epochs": count}
            measured[model, count] = [
                sample_model(work / f"epochs-{count}-{seed}", model, settings | {"seed": seed}) for seed in seeds
            ]
    found = {}
    for count in epochs:
        folders = [work / f"epochs-{count}-{seed}" for seed in seeds]
        found[str(count)] = {
            "compute_seconds": [sum(count_seconds(folder, stage) for stage in ("sft", "grpo")) for folder in folders],
            **{model: summarise_model(folders, model, measured[model, count]) for model in ("sft", "grpo")},
            **{
                f"{model}_against_longest": compare(measured[model, max(epochs)], measured[model, count], seed=0)
                for model in ("sft", "grpo")
            },
        }
    return {"seeds": list(seeds), "figures": list(FIGURES), "epochs": found}


def summarise_model(folders: Sequence[Path], model: str, measures: Sequence[Measures]) -> dict[str, Any]:
    """Means over seeds, pass@1 with its interval over all problems, and answers collected by budget."""
    means = [tell_means(each) for each in measures]
    collected = [count_collected(folder, model) for folder in folders]
    pooled = np.concatenate([each.pass1 for each in measures])
    return {
        **{name: float(np.mean([each[name] for each in means])) for name in means[0]},
        "pass1_interval": [float(value) for value in share_intervals(pooled, seed=0)],
        "pass1_by_seed": [each["pass1"] for each in means],
        "collected": {budget: float(np.mean([each[budget] for each in collected])) for budget in collected[0]},
    }


def plot(result: Mapping[str, Any]) -> Figure:
    """Accuracy and length by epochs of fine-tuning, before and after GRPO at equal total compute."""
    epochs = list(result["epochs"])
    with plt.rc_context(dict(STYLE)):
        figure, (accuracy, length) = plt.subplots(1, 2, figsize=(9, 3.4))
        for model, label in (("sft", "SFT"), ("grpo", "SFT + GRPO, equal total compute")):
            rows = [result["epochs"][count][model] for count in epochs]
            value, low, high = np.array([row["pass1_interval"] for row in rows]).T
            drawn = {"color": MODEL_STYLES[model].colour, "marker": MODEL_STYLES[model].marker, "label": label}
            accuracy.errorbar(epochs, value, [value - low, high - value], capsize=3, **drawn)
            length.plot(epochs, [row["tokens"] for row in rows], **drawn)
        accuracy.set(title="pass@1", xlabel="epochs of fine-tuning")
        length.set(title="tokens per sample", xlabel="epochs of fine-tuning", ylim=(0, None))
        figure.legend(*length.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", default="1,5,10")
    parser.add_argument("--results", type=Path, help="file for the result")
    parser.add_argument("--figure", type=Path, help="PNG of the result")
    arguments = parser.parse_args()
    seeds, epochs = ([int(part) for part in text.split(",")] for text in (arguments.seeds, arguments.epochs))
    arguments.work.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        run_seed(arguments.work.absolute(), seed, epochs)
    result = summarise(arguments.work.absolute(), seeds, epochs)
    if arguments.results is not None:
        write_json(arguments.results, result)
    if arguments.figure is not None:
        save_figure(plot(result), arguments.figure)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

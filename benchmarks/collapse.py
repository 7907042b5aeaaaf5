"""Does the guard end a collapse in time, and is a sound model kept? Trainings of nano that are made to collapse.

    python benchmarks/collapse.py --work WORK [--seeds 0,1,2] [--results FILE] [--figure FILE]

From one SFT model a seed GRPO is trained in three ways that collapse: with a learning rate that rises until it is far
too large, without the KL term and with a rate somewhat too large, and with a length reward that pays for skipped steps,
since it asks for brevity whether an answer is right or wrong. The guard has the recipe's limits. A collapse turns at
the first validation that is 0.10 below the best so far; told are the turn, the step at which the guard ended the
training, how far the chosen model's validation is below the best, and the accuracy of the product on the test problems.

What is finished is not made again. The last line is one JSON object.
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
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from nano_runs import ONE_PROCESS, begin_from, make_start, run_stage, sample_model, tell_means

from fastmath.plots.style import INK, STYLE, choose_styles, save_figure
from fastmath.runs.files import write_json
from fastmath.training.findings import read_findings
from fastmath.training.selection import Validation, read_choice, read_validations

# The start is the longest fine-tuning of `sft_epochs.py`; shown is the model that was chosen, and none beside it.
TASK: Mapping[str, Any] = ONE_PROCESS | {"sft.trainer.num_train_epochs": 10, "grpo.interpolation": None}
CONSTANT = {
    "grpo.trainer.lr_scheduler_type": "constant_with_warmup",
    "grpo.trainer.lr_scheduler_kwargs": None,
    "grpo.trainer.max_steps": 100,
}
CAUSES: Mapping[str, Mapping[str, Any]] = {
    "learning_rate": CONSTANT | {"grpo.trainer.learning_rate": 6e-3, "grpo.trainer.warmup_steps": 60},
    "no_kl": CONSTANT | {"grpo.trainer.beta": 0.0, "grpo.trainer.learning_rate": 8e-4, "grpo.trainer.warmup_steps": 3},
    "skipped_steps": CONSTANT
    | {"grpo.trainer.learning_rate": 6e-4, "grpo.trainer.warmup_steps": 3}
    | {
        # Wrong answers pay for their length as right ones do, and 23 tokens cost what being right earns where three of
        # four are: 23 x 15 / 256 x 0.75 = 1.0.
        "grpo.rewards": [
            {"name": "accuracy"},
            {"name": "solve_rate_length", "weight": 15, "parameters": {"max_length": 256}},
        ],
        "grpo.answers": {"generation_end": "end_of_text", "answer_place": "anywhere"},  # no format is learned
    },
}
TITLES: Mapping[str, str] = {
    "learning_rate": "learning rate up to 6e-3",
    "no_kl": "no KL term, rate 8e-4",
    "skipped_steps": "length costs more than errors",
}
FALL = 0.10
"""How far below the best a validation is at which a collapse has turned."""


def find_turn(validations: Sequence[Validation]) -> int | None:
    """The step of the first validation that is `FALL` below the best before it; None where there is none."""
    best = 0.0
    for one in validations:
        mean = float(one.correct.mean())
        if mean <= best - FALL:
            return one.step
        best = max(best, mean)
    return None


def train(work: Path, seed: int, cause: str) -> dict[str, Any]:
    """Train one seed in one way, and tell what became of it."""
    settings, run_dir = {**TASK, "seed": seed}, work / f"{cause}-{seed}"
    begin_from(make_start(work, seed, TASK), run_dir, "build_data", "sft")
    run_stage("grpo", run_dir, settings | CAUSES[cause])
    folder = run_dir / "grpo"
    validations = read_validations(folder)
    choice = read_choice(folder) or {}
    best = max(float(one.correct.mean()) for one in validations)
    chosen = next(one for one in validations if one.step == choice["step"])
    stops = [finding for finding in read_findings(folder) if finding.level == "stop"]
    turn, stopped = find_turn(validations), stops[0].step if stops else None
    return {
        "turn": turn,
        "stopped": stopped,
        "steps_after_the_turn": None if turn is None or stopped is None else stopped - turn,
        "reasons": [finding.message for finding in stops],
        "chosen": chosen.step,
        "chosen_below_best": best - float(chosen.correct.mean()),
        "validations": [[one.step, float(one.correct.mean()), float(one.tokens.mean())] for one in validations],
        "product": tell_means(sample_model(run_dir, "grpo", settings | CAUSES[cause])),
    }


def plot(result: Mapping[str, Any]) -> Figure:
    """The validations of every training by cause, with the model that was chosen and the step at which it was ended."""
    with plt.rc_context(dict(STYLE)):
        figure, axes = plt.subplots(1, len(result), figsize=(13, 3.8), sharey=True, squeeze=False)
        for axis, (cause, runs) in zip(axes[0], result.items(), strict=True):
            styles = choose_styles(list(runs))
            for seed, run in runs.items():
                style = styles[seed]
                steps, values, _ = np.array(run["validations"]).T
                axis.plot(steps, values, color=style.colour, marker=style.marker, markersize=5, label=f"seed {seed}")
                chosen = steps == run["chosen"]
                axis.plot(steps[chosen], values[chosen], "o", color=INK, markersize=13, fillstyle="none", zorder=3)
                if run["stopped"] is not None:
                    axis.plot(steps[-1], values[-1], "x", color=INK, markersize=10, zorder=3)
            axis.set(title=TITLES[cause], xlabel="step", ylim=(0, 1))
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0, 0].set_ylabel("validation: pass@1")
        marks = [
            Line2D([], [], color=INK, marker="o", fillstyle="none", markersize=11, linestyle="", label="chosen"),
            Line2D([], [], color=INK, marker="x", markersize=9, linestyle="", label="ended by the guard"),
        ]
        lines, _ = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles=[*lines, *marks], loc="outside upper center", ncols=5)
    return figure


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--causes", default=",".join(CAUSES))
    parser.add_argument("--results", type=Path, help="file for the result")
    parser.add_argument("--figure", type=Path, help="PNG of the result")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    result = {
        cause: {seed: train(arguments.work.absolute(), int(seed), cause) for seed in arguments.seeds.split(",")}
        for cause in arguments.causes.split(",")
    }
    if arguments.results is not None:
        write_json(arguments.results, result)
    if arguments.figure is not None:
        save_figure(plot(result), arguments.figure)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

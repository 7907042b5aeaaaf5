"""How much there is to compute: rows and tokens of the training sets, steps, and lengths of completions.

Where the data of a run have been built, they are counted. Before that the plan takes what the recipe draws from each
source, and the length of the paper's traces.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars

from fastmath.planning.trainings import Training
from fastmath.recipe.data import SourceSettings
from fastmath.recipe.sections import Recipe
from fastmath.runs.manifest import read_manifest

SOURCE_ROWS: Mapping[str, int] = {
    "open-r1/OpenR1-Math-220k": 93_733,  # its dataset card, the default subset
    "hoanganhpham/openr1_hard": 2_500,  # the paper, section 2.1: about as many
    "qihoo360/Light-R1-SFTData": 3_260,  # stage 2, as many as the authors' published GRPO set
    "RabotniKuma/Fast-Math-R1-SFT": 7_900,  # its dataset card
    "RabotniKuma/Fast-Math-R1-GRPO": 3_260,
}
"""Rows of datasets on the Hub that recipes name."""

TRACE_TOKENS = 7_600
"""Mean length of a training example with its prompt, in tokens: the published code packs 7,900 of them into sequences
of 24,000 tokens, 64 a step, and has 39 steps an epoch; 39 · 64 · 24,000 / 7,900 = 7,580."""
NANO_TRACE_TOKENS = 110
"""The same of the embedded problems."""
COMPLETION_SHARE, COMPLETION_TOKENS = 0.61, 11_000
"""Mean length of a completion, as a share of its limit and at most: the paper's SFT and base models write 10,396 and
9,684 tokens under a limit of 16,384 on the problems of AIMO2, and the base model 11,026 under 32,768 on AIME 2024."""
FITTING_SHARE = 0.61
"""Mean length of the traces that fit into a limit, as a share of it, where the limit is below most traces."""


@dataclass(frozen=True)
class Workload:
    """What one training computes.

    Attributes:
        rows: rows of the training set.
        row_tokens: mean length of a row: of an SFT example with its prompt, or of a GRPO prompt, in tokens.
        steps: optimiser steps.
        step_tokens: tokens of one step on all processes together; of GRPO, of the completions.
    """

    rows: int
    row_tokens: float
    steps: int
    step_tokens: float


def estimate_completion_tokens(limit: int) -> float:
    """Mean length of a completion under a limit, in tokens."""
    return min(COMPLETION_SHARE * limit, COMPLETION_TOKENS)


def measure_sft(recipe: Recipe, training: Training, run_dir: Path | None) -> Workload:
    """The fine-tuning of a recipe; with packing, sequences are filled and steps are counted in these.

    Example: 7,900 rows of 7,600 tokens fill 2,502 sequences of 24,000; with 64 a step an epoch has 40 steps.
    """
    rows, row_tokens = _count_rows(recipe, "sft", run_dir)
    packed = bool(training.trainer.get("packing"))
    sequences = math.ceil(rows * row_tokens / training.longest) if packed else rows
    steps = _count_steps(training.trainer, math.ceil(sequences / training.step_batch))
    return Workload(rows, row_tokens, steps, training.step_batch * (training.longest if packed else row_tokens))


def measure_grpo(recipe: Recipe, training: Training, run_dir: Path | None) -> Workload:
    """GRPO: a step has as many completions as the processes hold, `num_generations` of each problem."""
    rows, row_tokens = _count_rows(recipe, "grpo", run_dir)
    an_epoch = max(1, rows * training.trainer.get("num_generations", 8) // training.step_batch)
    tokens = training.step_batch * estimate_completion_tokens(training.completion_limit)
    return Workload(rows, row_tokens, _count_steps(training.trainer, an_epoch), tokens)


def _count_steps(trainer: Mapping[str, float], steps_an_epoch: int) -> int:
    if trainer.get("max_steps", -1) > 0:
        return int(trainer["max_steps"])
    return math.ceil(trainer.get("num_train_epochs", 3) * steps_an_epoch)


def _count_rows(recipe: Recipe, training: str, run_dir: Path | None) -> tuple[int, float]:
    """Rows and their mean tokens, counted where the data have been built."""
    built = None if run_dir is None else run_dir / "build_data"
    if built is not None and read_manifest(built).get("status") == "done":
        table = polars.read_parquet(built / f"{training}.parquet")
        tokens = table["tokens"].mean() if "tokens" in table.columns and table.height else None
        return table.height, float(tokens or 0) + 100  # with a prompt of some hundred tokens
    data = recipe.data
    wanted = [source for source in data.sources if training == "sft" or source.grpo]
    if training == "sft":
        wanted = [source for source in wanted if source.kind != "problems"]
    rows = sum(_estimate_rows(source, data.nano.train_problems) for source in wanted)
    limit = data.sft_problems if training == "sft" else data.grpo_problems
    embedded = bool(wanted) and all(source.kind == "nano" for source in wanted)
    tokens = NANO_TRACE_TOKENS if embedded else TRACE_TOKENS
    if data.max_tokens is not None:
        tokens = min(tokens, FITTING_SHARE * data.max_tokens)
    return min(rows, limit or rows), tokens


def _estimate_rows(source: SourceSettings, embedded: int) -> int:
    """Rows that a source gives: those that its rules draw, and no more than it has, where that is known."""
    known = embedded if source.kind == "nano" else SOURCE_ROWS.get(source.path or "")
    draws = [rule.draw for rule in source.rules]
    if draws and all(draws):
        drawn = sum(draw for draw in draws if draw is not None)
        return drawn if known is None else min(drawn, known)
    return known if known is not None else 10_000

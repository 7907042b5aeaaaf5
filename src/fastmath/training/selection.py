"""Which of the models that a GRPO training has gone through is its product: the choice, as a function of validations.

Accuracy comes first, then the majority, and inside their noise the shorter model wins. Noise is the standard error of
the paired difference of two validations over the same problems, so that a model which is worse by more than chance is
never taken for its brevity.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastmath.evaluation.intervals import estimate_mean, estimate_share
from fastmath.evaluation.metrics import SampleArrays, majority_at_k, pass_at_k

PREFIX = "validation/"
"""Begin of the names of a validation's metrics."""
PASS_1 = "validation/pass@1"
CHOICE_FILE = "chosen.json"
"""Name of the file, in a GRPO stage's folder, that says which step's model is the product, and of how many."""

INTERPOLATION_FILE = "interpolation.json"
"""Name of the file there with the share of the trained weights in a product that lies between start and trained model,
whether that one was taken, and the figures of its validation."""


@dataclass(frozen=True)
class Validation:
    """What one validation has measured; P is the number of problems.

    Attributes:
        step: number of steps that had been made.
        correct: (P,) float64, share of a problem's samples that are right.
        majority: (P,) float64, chance that the vote of a problem's samples is right.
        tokens: (P,) float64, mean tokens of a problem's samples.
        clipped: (P,) float64, share of a problem's samples that the token budget cut off.
        samples: number of samples per problem.
    """

    step: int
    correct: NDArray[np.float64]
    majority: NDArray[np.float64]
    tokens: NDArray[np.float64]
    clipped: NDArray[np.float64]
    samples: int

    def tell(self, token_budget: int) -> dict[str, float]:
        """The figures of `metrics.jsonl`: each with its interval's ends as `…/low` and `…/high`."""
        named = {
            PASS_1: estimate_share(self.correct, seed=0),
            f"{PREFIX}majority@{self.samples}": estimate_share(self.majority, seed=0),
            f"{PREFIX}tokens": estimate_mean(self.tokens, seed=0, bounds=(0, token_budget)),
            f"{PREFIX}clipped": estimate_share(self.clipped, seed=0),
        }
        return {
            key: figure
            for name, estimate in named.items()
            for key, figure in ((name, estimate.value), (f"{name}/low", estimate.low), (f"{name}/high", estimate.high))
        }


def measure_samples(step: int, samples: pl.DataFrame) -> Validation:
    """Measure the samples of one validation, a table of `fastmath.sampling.samples.SAMPLE_SCHEMA`."""
    arrays = SampleArrays.from_frame(samples)
    return Validation(
        step=step,
        correct=pass_at_k(arrays.correct, 1),
        majority=majority_at_k(arrays, arrays.samples),
        tokens=arrays.tokens.mean(axis=1),
        clipped=arrays.cut_off.mean(axis=1),
        samples=arrays.samples,
    )


def read_validations(folder: Path) -> list[Validation]:
    """The validations of a GRPO stage, in order; none where it has none."""
    return [measure_samples(step, pl.read_parquet(path)) for step, path in list_validation_files(folder).items()]


def list_validation_files(folder: Path) -> dict[int, Path]:
    """The samples of the validations of a GRPO stage by their steps, in order."""
    paths = sorted((folder / "validation").glob("step-*.parquet"))
    return {int(path.stem.rpartition("-")[2]): path for path in paths}


def read_choice(folder: Path) -> dict[str, Any] | None:
    """Which step's model is the product of a GRPO stage, as `step` of `steps`; None where the last one is."""
    path = folder / CHOICE_FILE
    return json.loads(path.read_text()) if path.exists() else None


def read_interpolation(folder: Path) -> dict[str, Any] | None:
    """What `interpolation.json` of a GRPO stage says; None where its product was not interpolated."""
    path = folder / INTERPOLATION_FILE
    return json.loads(path.read_text()) if path.exists() else None


def choose_step(validations: Sequence[Validation]) -> int:
    """The step whose model is the product.

    Of the models that are inside the noise of the most accurate one, in pass@1 and in the majority, it is the one with
    the fewest tokens.

    Example: pass@1 is 0.80, 0.86 and 0.85 with 90, 80 and 60 tokens, and differences have a standard error of 0.02: the
    first is worse by more than that, and of the other two the last is shorter.

    Raises:
        ValueError: there are no validations.
    """
    if not validations:
        raise ValueError("no validation to choose from; want at least one")
    return min(_list_equals(validations), key=_brevity).step


def list_candidates(validations: Sequence[Validation]) -> list[int]:
    """The steps whose models are worth keeping, since later validations may bring the choice to them.

    They are those inside the noise of the best to which no other is equal or better in pass@1, majority and tokens
    together: should a later best leave the chosen one behind, the choice is among these.
    """
    equals = _list_equals(validations)
    return [one.step for one in equals if not any(_dominates(other, one) for other in equals)]


def _list_equals(validations: Sequence[Validation]) -> list[Validation]:
    """The validations inside the noise of the most accurate one."""
    best = max(validations, key=lambda one: (one.correct.mean(), one.majority.mean(), -one.tokens.mean()))
    return [one for one in validations if is_no_worse(one, best)]


def is_no_worse(one: Validation, best: Validation) -> bool:
    """Whether a model is not worse than another beyond the noise, in pass@1 and in the majority.

    Args:
        one: its validation.
        best: the other's, of the same problems in the same order.
    """
    return _is_inside_noise(one.correct, best.correct) and _is_inside_noise(one.majority, best.majority)


def _is_inside_noise(values: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    """Whether the mean of `values`, (P,), is not below that of `best`, (P,), by more than one standard error."""
    differences = values - best
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return bool(differences.mean() >= -error)


def _dominates(other: Validation, one: Validation) -> bool:
    """Whether `other` would be taken before `one` whatever the best is; of equal ones the later."""
    ranks = [(each.correct.mean(), each.majority.mean(), -each.tokens.mean()) for each in (other, one)]
    no_worse = all(first >= second for first, second in zip(*ranks, strict=True))
    return no_worse and (ranks[0] != ranks[1] or other.step > one.step)


def _brevity(one: Validation) -> tuple[float, float, int]:
    return one.tokens.mean(), -one.correct.mean(), -one.step

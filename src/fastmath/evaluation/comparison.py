"""Comparison of two models on the same problems: what the second changes, and what the problems can show of that.

The problems are paired, so that what makes a problem hard for both models drops out of the difference. Intervals are
percentiles of the mean difference over problems drawn with replacement. Nothing here says that two models are equally
good: a difference is shown, or it is not, and then the number of problems that would be wanted is told.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastmath.evaluation.intervals import LEVELS, bootstrap_means
from fastmath.evaluation.metrics import SampleArrays, group_problems, majority_at_k, pass_at_k
from fastmath.recipe.errors import SettingsError

logger = logging.getLogger(__name__)

RESAMPLES = 10_000
"""Number of bootstrap resamples behind every interval of a difference."""
FEWEST_DIFFERING = 6
"""Number of problems that must differ before a difference can be shown: with five, all of them differ in the same
direction by chance in 2 · 2^-5 = 6 % of the cases, with six in 3 %."""
_NORMAL_QUANTILES = 1.96 + 0.84
"""Of a 95 % interval and of a power of 80 %."""


class ComparisonError(SettingsError):
    """Two tables of samples cannot be compared."""


@dataclass(frozen=True)
class Difference:
    """What a metric of model B is above that of model A.

    Attributes:
        difference: mean over problems of B - A.
        low: low end of its 95 % interval.
        high: high end of its 95 % interval.
        problems: number of problems.
        more_problems: about how many more problems would show a difference of this size with a chance of 80 %; 0 where
            it is shown already, None where the difference is 0.
    """

    difference: float
    low: float
    high: float
    problems: int
    more_problems: int | None

    @property
    def is_shown(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


Differences = Mapping[str, Difference]
"""Metric → its difference: `pass@1`, `majority@k`, `pass@k`, `tokens`, `reasoning_tokens`, `answers_collected`."""
Groups = Mapping[str, Mapping[str, Differences]]
"""Kind of group → value → differences of its problems."""


def pair_samples(a: SampleArrays, b: SampleArrays) -> tuple[SampleArrays, SampleArrays]:
    """The samples of the problems that both have, in A's order; problems of one alone are left out with a warning.

    Raises:
        ComparisonError: they have no problem in common.
    """
    theirs = set(b.problems)
    common = [problem for problem in a.problems if problem in theirs]
    if not common:
        raise ComparisonError(
            f"no problem stands in both: A has {len(a.problems)}, beginning with {a.problems[0]!r}, and B has "
            f"{len(b.problems)}, beginning with {b.problems[0]!r}; want samples of the same problems, by the same ids"
        )
    only_a, only_b = len(a.problems) - len(common), len(b.problems) - len(common)
    if only_a or only_b:
        logger.warning(
            "%d problems are compared; %d of A alone and %d of B alone are left out", len(common), only_a, only_b
        )
    return a.select(common), b.select(common)


def compare_samples(a: SampleArrays, b: SampleArrays, k: int = 16, seed: int = 0) -> dict[str, Difference]:
    """Differences B - A of every metric, over the problems that both have.

    Args:
        a: samples of the one model.
        b: samples of the other.
        k: wanted number of samples of majority@k and pass@k; the smaller N of the two, if that is less.
        seed: seed of the bootstrap.

    Returns:
        Metric → its difference. `tokens` and `reasoning_tokens` are per sample, where both models' were counted;
        `answers_collected` is the share of samples with an answer.

    Raises:
        ComparisonError: they have no problem in common.
    """
    a, b = pair_samples(a, b)
    return _compare_paired(a, b, k, seed)


def compare_groups(
    a: SampleArrays, b: SampleArrays, problems: pl.DataFrame, k: int = 16, seed: int = 0
) -> dict[str, dict[str, dict[str, Difference]]]:
    """The same by set, family and difficulty of the problems, where the table of problems says them.

    Args:
        a: samples of the one model.
        b: samples of the other.
        problems: table of `id` and any of `set, family, difficulty`; a null is in no group, nor is a problem that it
            does not list.
        k: as in `compare_samples`.
        seed: as in `compare_samples`.

    Returns:
        Kind → value, in order → metric → its difference. A kind that no problem has is left out.
    """
    groups = group_problems(problems, [problem for problem in a.problems if problem in set(b.problems)])
    return {
        kind: {value: _compare_paired(a.select(ids), b.select(ids), k, seed) for value, ids in values.items()}
        for kind, values in groups.items()
    }


def _compare_paired(a: SampleArrays, b: SampleArrays, k: int, seed: int) -> dict[str, Difference]:
    k = min(k, a.samples, b.samples)
    ours, theirs = _measure_problems(a, k), _measure_problems(b, k)
    return estimate_differences({name: theirs[name] - ours[name] for name in ours if name in theirs}, seed)


def _measure_problems(samples: SampleArrays, k: int) -> dict[str, NDArray[np.float64]]:
    """Metric → (P,) its value for every problem; without tokens where they were not counted."""
    counted = {"tokens": samples.tokens, "reasoning_tokens": samples.reasoning_tokens} if samples.counts_tokens else {}
    return {
        "pass@1": pass_at_k(samples.correct, 1),
        f"majority@{k}": majority_at_k(samples, k),
        f"pass@{k}": pass_at_k(samples.correct, k),
        **{name: tokens.mean(axis=1) for name, tokens in counted.items()},
        "answers_collected": (samples.answers >= 0).mean(axis=1),
    }


def estimate_differences(values: Mapping[str, NDArray[np.float64]], seed: int) -> dict[str, Difference]:
    """Mean, interval and wanted number of problems of differences by problem; metric → (P,) values.

    All metrics share the resamples. Where fewer than `FEWEST_DIFFERING` problems differ the interval is widened to 0.
    """
    stacked = _drop_rounding(np.stack(list(values.values()), axis=1))
    means = _drop_rounding(stacked.mean(axis=0))
    lows, highs = np.percentile(bootstrap_means(stacked, seed, RESAMPLES), LEVELS, axis=0)
    few = np.count_nonzero(stacked, axis=0) < FEWEST_DIFFERING
    lows, highs = np.where(few, np.minimum(lows, 0.0), lows), np.where(few, np.maximum(highs, 0.0), highs)
    return {
        name: Difference(
            difference=float(means[column]),
            low=float(lows[column]),
            high=float(highs[column]),
            problems=len(stacked),
            more_problems=0 if lows[column] > 0 or highs[column] < 0 else count_more_problems(stacked[:, column]),
        )
        for column, name in enumerate(values)
    }


def count_more_problems(differences: NDArray[np.float64]) -> int | None:
    """How many more problems would show the mean d of `differences`, (P,), with a chance of 80 %; None where d is 0.

    With the standard deviation s over problems, n = ((1.96 + 0.84) · s / |d|)^2 problems are wanted, and at least so
    many that `FEWEST_DIFFERING` of them differ where as large a share of them does; P of them are there.

    Example: d = 0.1 and s = 0.5 want (2.8 · 5)^2 = 196 problems; of 30 problems 166 are missing.
    """
    mean = abs(float(_drop_rounding(differences.mean())))
    if mean == 0:
        return None
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    problems, differing = len(differences), int(np.count_nonzero(differences))
    wanted = max((_NORMAL_QUANTILES * spread / mean) ** 2, FEWEST_DIFFERING * problems / differing)
    return max(math.ceil(round(wanted, 6)) - problems, 1)


def _drop_rounding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What equal figures differ by after their rounding is 0."""
    return np.where(np.abs(values) < 1e-12, 0.0, values)


def to_json(differences: Differences, groups: Groups) -> dict[str, Any]:
    """A comparison as one JSON object: every metric's difference, and those of the groups under `groups`."""
    found: dict[str, Any] = {name: asdict(difference) for name, difference in differences.items()}
    found["groups"] = {
        kind: {value: {name: asdict(item) for name, item in group.items()} for value, group in values.items()}
        for kind, values in groups.items()
    }
    return found

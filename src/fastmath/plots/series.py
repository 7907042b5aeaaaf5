"""Logged metrics as series of numbers: reading, smoothing and thinning them, whatever then draws them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NO_METRICS = frozenset({"step", "max_steps"})
MOST_WINDOWS = 7
"""Largest number of windows among which a reader chooses how much a curve is smoothed."""


@dataclass(frozen=True)
class Series:
    """One metric of one training.

    Attributes:
        steps: (N,) int64, optimiser steps at which it was logged, increasing.
        values: (N,) float64; NaN where what was logged is no finite number.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)


def read_series(rows: Iterable[Mapping[str, Any]]) -> dict[str, Series]:
    """The metrics of a training by their names.

    Args:
        rows: rows of `metrics.jsonl`, with `step`; null, which stands for NaN and infinities, becomes NaN. Where a
            metric was logged twice at a step, the later value counts.

    Example: `{"step": 1, "loss": 2.0}` and `{"step": 2, "loss": None, "kl": 0.1}` give `loss` at the steps 1 and 2 with
    the values 2 and NaN, and `kl` at step 2.
    """
    found: dict[str, tuple[list[int], list[float | None]]] = defaultdict(lambda: ([], []))
    for row in rows:
        step = row["step"]
        for name, value in row.items():
            steps, values = found[name]
            steps.append(step)
            values.append(value)
    return {name: _make_series(*points) for name, points in found.items() if name not in _NO_METRICS}


def _make_series(steps: Sequence[int], values: Sequence[float | None]) -> Series:
    places, numbers = np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)  # None becomes NaN
    if (np.diff(places) > 0).all():
        return Series(places, numbers)
    places, last = np.unique(places[::-1], return_index=True)
    return Series(places, numbers[::-1][last])


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean over a centred window of `width` values, narrower at both ends; the result is as long as `values`.

    NaN stays NaN and is left out of the means around it. The time does not depend on the width.

    Example: 1, 2, 6 with width 3 gives (1+2)/2, (1+2+6)/3, (2+6)/2 = 1.5, 3, 4.
    """
    width = max(1, min(width, len(values)))
    finite = np.isfinite(values)
    # Sums up to each place, of the differences from the mean of all, which keeps their rounding small.
    centre = np.where(finite, values, 0.0).sum() / max(finite.sum(), 1)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values - centre, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    ends = np.arange(len(values)) + width // 2 + 1
    first, last = np.clip(ends - width, 0, len(values)), np.clip(ends, 0, len(values))
    inside = np.maximum(counts[last] - counts[first], 1)
    return np.where(finite, centre + (sums[last] - sums[first]) / inside, np.nan)


def choose_windows(points: int) -> tuple[int, ...]:
    """Windows over which a curve of so many points may be smoothed, from none (1) to a quarter of the curve.

    They grow by equal factors and are odd, so that a window has a middle.

    Example: 300 points give 1, 3, 5, 9, 17, 37 and 75.
    """
    widest = points // 4
    if widest < 3:
        return (1,) if points < 3 else (1, 3)
    spread = np.geomspace(1, widest, MOST_WINDOWS)
    return tuple(dict.fromkeys(int(2 * round((width - 1) / 2) + 1) for width in spread))


def choose_window(windows: Sequence[int], points: int) -> int:
    """The window at first: the one nearest to a tenth of the curve."""
    return min(windows, key=lambda width: abs(width - points / 10))


def thin_steps(series: Sequence[Series], limit: int) -> NDArray[np.int64]:
    """The steps to draw, (K,) int64: all, or so few of a long training that they can be drawn at once.

    The training is cut into stretches of equal length, and of each the lowest and the highest value of every series
    are kept, and a step without a number where there is one. So no spike and no hole is lost, and every curve is drawn
    at the same steps. The first and the last step are kept, too.

    Args:
        series: everything that is drawn.
        limit: largest number of steps that are all drawn; of more about as many are kept.
    """
    steps = np.unique(np.concatenate([np.empty(0, np.int64), *(each.steps for each in series)]))
    if len(steps) <= limit:
        return steps
    stretches = max(1, limit // (2 * len(series)))
    kept = [steps[[0, -1]]]
    for each in series:
        place = (each.steps - steps[0]) * stretches // (steps[-1] - steps[0] + 1)
        finite = np.isfinite(each.values)
        kept += [each.steps[index] for index in _find_extremes(place, each.values, finite)]
        holes = np.flatnonzero(~finite)
        kept.append(each.steps[holes[np.unique(place[holes], return_index=True)[1]]])
    return np.unique(np.concatenate(kept))


def _find_extremes(
    place: NDArray[np.int64], values: NDArray[np.float64], finite: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the lowest and of the highest finite value of each stretch; `place` is the stretch of each value."""
    indices = np.flatnonzero(finite)
    order = indices[np.lexsort((values[indices], place[indices]))]
    begins = np.unique(place[order], return_index=True)[1]
    ends = np.append(begins[1:], len(order)) - 1 if len(begins) else begins
    return order[begins], order[ends]

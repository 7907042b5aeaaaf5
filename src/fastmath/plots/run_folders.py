"""The trainings of runs that lie beside one another, by the names of the runs."""

from collections.abc import Sequence
from pathlib import Path

from fastmath.plots.panels import Training


class UnknownRunError(ValueError):
    """A run that is to be drawn has no such training."""


def find_runs(run_dir: Path, training: Training) -> dict[str, Path]:
    """Name of a run → folder of its training: this run first, then those beside it that have one.

    Args:
        run_dir: the run folder; it is listed though its training may not have begun.
        training: which stage.
    """
    run_dir = run_dir.resolve()
    beside = sorted(run_dir.parent.glob(f"*/{training}/metrics.jsonl"))
    return {run_dir.name: run_dir / training} | {path.parts[-3]: path.parent for path in beside}


def choose_runs(run_dir: Path, training: Training, beside: Sequence[str] = ()) -> dict[str, Path]:
    """This run's training and those of the named ones beside it.

    Args:
        run_dir: the run folder.
        training: which stage.
        beside: names of runs in the same parent folder.

    Raises:
        UnknownRunError: there is no such training.
    """
    found = find_runs(run_dir, training)
    unknown = [name for name in beside if name not in found]
    if unknown:
        raise UnknownRunError(
            f"there is no {training} training in {', '.join(map(repr, unknown))} beside {run_dir}; want some of "
            f"{', '.join(found)}"
        )
    return {name: found[name] for name in (next(iter(found)), *beside)}

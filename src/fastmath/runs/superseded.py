"""Moving what a new run replaces to `superseded/` in the run folder: nothing that a stage has made is deleted."""

import itertools
import logging
import time
from pathlib import Path

from fastmath.runs.stages import NOTEBOOKS, list_dependents

logger = logging.getLogger(__name__)

SUPERSEDED = "superseded"
"""Folder in the run folder for the products that a new run has replaced."""
REPORT = "report.json"
"""The run's report, which tells of its models and its contest."""


def set_aside(run_dir: Path, stage: str) -> Path | None:
    """Move a stage's folder, with all that later stages have made of it, to a new folder in `superseded/`.

    With the folders go the executed notebooks of these stages and the run's report. A kill in between leaves every
    folder whole, in one place or the other.

    Args:
        run_dir: the run folder.
        stage: the stage whose products are replaced.

    Returns:
        The new folder; None if there was nothing to move.
    """
    stages = [name for name in (stage, *list_dependents(stage)) if _holds_anything(run_dir / name)]
    if not stages:
        return None
    destination = _make_folder(run_dir / SUPERSEDED, f"{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime())}-{stage}")
    notebooks = [Path(NOTEBOOKS[name]).name for name in stages]
    # The later stages first: what is left of them after a kill would look as if it were made of the new products.
    for name in [REPORT, *reversed([*notebooks, *stages])]:
        if (run_dir / name).exists():
            (run_dir / name).replace(destination / name)
    logger.warning("what earlier runs had made in %s was moved to %s: %s", run_dir, destination, ", ".join(stages))
    return destination


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _make_folder(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for suffix in itertools.chain([""], (f"-{number}" for number in itertools.count(2))):
        folder = parent / f"{name}{suffix}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable: there is no end of numbers")

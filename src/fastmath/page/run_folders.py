"""The runs that a page shows: what their folders hold, read once and never written to."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.manifest import read_manifest
from fastmath.runs.stages import NOTEBOOKS
from fastmath.runs.state import StageState, describe_run

logger = logging.getLogger(__name__)

_EVALUATED = frozenset(("models", "comparisons"))
"""What the page shows of a report."""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        name: name of its folder, with as many of the folders above it as tell it from the other runs.
        folder: the run folder.
        states: where its stages stand, in order.
        manifests: stage → its manifest, of every stage that has been started.
        settings: stage → its settings as its file has them.
        report: the figures of its evaluation; None before it has been evaluated.
    """

    name: str
    folder: Path
    states: tuple[StageState, ...]
    manifests: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    report: Mapping[str, Any] | None

    def read_recipe(self, stage: str) -> Recipe | None:
        """The recipe with which a stage ran; None where the stage has not been started.

        Raises:
            fastmath.recipe.errors.SettingsError: the settings are of another version and cannot be read.
        """
        path = self.folder / stage / "config.yaml"
        return load_recipe(str(path)) if path.exists() else None


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read the runs of these folders, in their order.

    Raises:
        SettingsError: a folder is named twice.
    """
    resolved = [folder.resolve() for folder in folders]
    twice = next((folder for folder in resolved if resolved.count(folder) > 1), None)
    if twice is not None:
        raise SettingsError(f"the run {twice} is named twice; want each run once")
    return [_read_run(folder, name) for folder, name in zip(resolved, name_runs(resolved), strict=True)]


def name_runs(folders: Sequence[Path]) -> list[str]:
    """Names of runs: their folders', with as many of the folders above as tell all of them apart.

    Example: `/a/nano` and `/b/nano` are `a/nano` and `b/nano`.
    """
    deepest = max((len(folder.parts) for folder in folders), default=1)
    for depth in range(1, deepest + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _read_run(folder: Path, name: str) -> Run:
    manifests = {stage: read_manifest(folder / stage) for stage in NOTEBOOKS}
    settings = {stage: folder / stage / "config.yaml" for stage in NOTEBOOKS}
    return Run(
        name=name,
        folder=folder,
        states=tuple(describe_run(folder)),
        manifests={stage: manifest for stage, manifest in manifests.items() if manifest},
        settings={stage: yaml.safe_load(path.read_text()) for stage, path in settings.items() if path.exists()},
        report=_read_report(folder / "report.json"),
    )


def _read_report(path: Path) -> Mapping[str, Any] | None:
    """The report of an evaluation; None where there is none, or one of a version that measured less."""
    if not path.exists():
        return None
    report = json.loads(path.read_text())
    if missing := sorted(_EVALUATED - report.keys()):
        logger.warning(
            "%s has no %s: an earlier version wrote it, and it is left out; `fastmath run` with `--from evaluate "
            "--force` writes it anew",
            path,
            ", ".join(f"`{name}`" for name in missing),
        )
        return None
    return report

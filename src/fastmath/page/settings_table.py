"""The settings of runs and what they ran on, in tables that say where the runs differ."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastmath.page.run_folders import Run
from fastmath.runs.settings import NOT_SET, flatten
from fastmath.runs.stages import STAGE_SECTIONS

HIDDEN = "(set, not shown)"
"""What is shown of an environment variable, since it may hold a secret."""


@dataclass(frozen=True)
class SettingRow:
    """One setting.

    Attributes:
        key: its dotted key.
        values: its value in each run, as text.
    """

    key: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether two runs have different values."""
        return len(set(self.values)) > 1


def list_settings(runs: Sequence[Run]) -> list[SettingRow]:
    """Every setting with which a stage of the runs has been started, in the order of the recipe.

    A setting that was changed between two stages of a run shows both values with their stages.
    """
    return _tabulate({stage: _select(stage, settings) for stage, settings in run.settings.items()} for run in runs)


def list_circumstances(runs: Sequence[Run]) -> list[SettingRow]:
    """Commit, packages and hardware with which the stages of the runs were made, as `list_settings` has settings."""
    return _tabulate({stage: _describe(manifest) for stage, manifest in run.manifests.items()} for run in runs)


def _describe(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return flatten({name: manifest[name] for name in ("git", "packages", "hardware") if name in manifest})


def _select(stage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a stage reads, by dotted key."""
    flat = flatten({name: settings[name] for name in ("seed", *STAGE_SECTIONS[stage]) if name in settings})
    return {key: HIDDEN if ".environment." in key else value for key, value in flat.items()}


def _merge_stages(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Key → value as text; where stages have different ones, each with its stages."""
    found: dict[str, dict[str, list[str]]] = {}
    for stage, settings in stages.items():
        for key, value in settings.items():
            found.setdefault(key, {}).setdefault(_write(value), []).append(stage)
    return {key: _join(values) for key, values in found.items()}


def _join(values: Mapping[str, Sequence[str]]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return "; ".join(f"{value} ({', '.join(stages)})" for value, stages in values.items())


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tabulate(runs: Iterable[Mapping[str, Mapping[str, Any]]]) -> list[SettingRow]:
    """A row for every key of any run, each run given as stage → key → value."""
    columns = [_merge_stages(stages) for stages in runs]
    keys = dict.fromkeys(key for column in columns for key in column)
    return [SettingRow(key, tuple(column.get(key, NOT_SET) for column in columns)) for key in keys]

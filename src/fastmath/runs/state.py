"""Where a run stands: the state of every stage, read from manifests, locks, progress and metrics."""

import calendar
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.runs.locks import is_held, stage_lock, trainer_lock
from fastmath.runs.manifest import hash_manifest, read_manifest
from fastmath.runs.metrics import read_metrics
from fastmath.runs.progress import Progress, read_progress
from fastmath.runs.stages import NOTEBOOKS, list_stages


@dataclass(frozen=True)
class StageState:
    """Where one stage stands.

    Attributes:
        stage: name of the stage.
        state: `not started`, `running`, `stopping` (the notebook has gone, and its trainer saves its work), `killed`,
            `interrupted`, `failed`, `done`, or `out of date` (done with inputs that have been made again since).
        started: when the last run of the stage began, in UTC; None if there was none.
        seconds: how long it took, or has taken so far, in seconds; None if it is not known.
        error: name of the error that ended it; None for none.
        peak_memory_gib: largest memory of the stage's processes together, in GiB; None before the end.
        tokens_per_second: pace of the training or the sampling; None where tokens are not counted.
        progress: how far the stage has come; None where it has counted nothing yet.
        metrics: the last logged metrics of a training, the report of a contest, or pass@1 by model of an evaluation.
    """

    stage: str
    state: str
    started: str | None = None
    seconds: float | None = None
    error: str | None = None
    peak_memory_gib: float | None = None
    tokens_per_second: float | None = None
    progress: Progress | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


def describe_run(run_dir: Path) -> list[StageState]:
    """The states of all stages of a run, in order; a stage that its recipe does not have is left out."""
    return [_describe_stage(run_dir, stage) for stage in _list_stages(run_dir)]


def _list_stages(run_dir: Path) -> list[str]:
    """The stages of the recipe that the data were built with; all of them where that cannot be read."""
    settings = run_dir / "build_data" / "config.yaml"
    try:
        return list_stages(load_recipe(str(settings)))
    except SettingsError:
        return list(NOTEBOOKS)


def find_runs(folder: Path) -> list[Path]:
    """The run folders in a folder, the one that was written to last first."""
    written: dict[Path, float] = {}
    for manifest in folder.glob("*/*/manifest.json"):
        run_dir = manifest.parents[1]
        written[run_dir] = max(written.get(run_dir, 0.0), manifest.stat().st_mtime)
    return sorted(written, key=lambda run_dir: written[run_dir], reverse=True)


def _describe_stage(run_dir: Path, stage: str) -> StageState:
    folder = run_dir / stage
    manifest = read_manifest(folder)
    if not manifest:
        return StageState(stage, "not started")
    return StageState(
        stage,
        _name_state(run_dir, folder, manifest),
        manifest["started"],
        manifest.get("seconds", _count_seconds(manifest["started"])),
        manifest.get("error"),
        manifest.get("peak_memory_gib"),
        manifest.get("tokens_per_second"),
        read_progress(folder),
        _read_last_metrics(run_dir, stage),
    )


def _name_state(run_dir: Path, folder: Path, manifest: dict[str, Any]) -> str:
    status = manifest["status"]
    if status == "running":
        if is_held(stage_lock(folder)):
            return "running"
        return "stopping" if is_held(trainer_lock(folder)) else "killed"
    if status == "done" and any(hash_manifest(run_dir / name) != then for name, then in manifest["inputs"].items()):
        return "out of date"
    return status


def _read_last_metrics(run_dir: Path, stage: str) -> dict[str, Any]:
    folder = run_dir / stage
    if (folder / "metrics.jsonl").exists():
        rows = [row for row in read_metrics(folder / "metrics.jsonl") if "loss" in row or "reward" in row]
        return rows[-1] if rows else {}
    if stage == "kernel" and (folder / "report.json").exists():
        return json.loads((folder / "report.json").read_text())
    if stage == "evaluate" and (run_dir / "report.json").exists():
        models = json.loads((run_dir / "report.json").read_text())["models"]
        return {f"pass@1 of {model['name']}": model["budgets"][0]["pass@1"]["value"] for model in models}
    return {}


def _count_seconds(started: str) -> float:
    return max(0.0, time.time() - calendar.timegm(time.strptime(started, "%Y-%m-%dT%H:%M:%SZ")))

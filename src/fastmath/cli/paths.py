"""Paths that a person types start where the person stands; notebooks, which run elsewhere, get absolute ones."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import require_known
from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.recipe.pins import HUB_SCHEME
from fastmath.runs.stages import MODEL_SECTIONS, NOTEBOOKS, comes_before

_PATH_SETTINGS = re.compile(
    r"data\.(?:sources\.\d+\.path|(?:test|validation)_path|decontaminate\.files\.\d+)|(?:sft|grpo)\.accelerate"
    r"|evaluate\.(?:sets\.\d+|models\.[^.]+(?:\.path)?)|model\.name|kernel\.schedule"
)
"""Settings that may hold a path; a Hub name or the name of a shipped file is left as it is."""
_FILE_SETTINGS = re.compile(r"data\.(?:(?:test|validation)_path|decontaminate\.files\.\d+)|evaluate\.sets\.\d+")
"""Those that hold a file and no name of anything else, so that a missing one is looked for where the person stands."""


def name_run(recipe: str, overrides: Mapping[str, Any], model: str | None = None) -> str:
    """The name of a run's folder where none is given: the recipe's, and those of the model and the seed that are given.

    Example: `configs/nano.yaml` with the override `seed: 1` and the model `me/mine@1df85` gives `nano-mine-seed1`.
    """
    name = Path(recipe).stem + (f"-{Path(model.partition('@')[0]).resolve().name}" if model is not None else "")
    return f"{name}-seed{overrides['seed']}" if "seed" in overrides else name


def find_run(recipe: str, run_dir: Path | None, overrides: Mapping[str, Any], model: str | None = None) -> Path:
    """Absolute path of the run folder: `run_dir` from where the person stands, or the run's name in the checkout."""
    return REPOSITORY_FOLDER / "runs" / name_run(recipe, overrides, model) if run_dir is None else Path.cwd() / run_dir


def begin_from(model: str, first: str | None) -> dict[str, Any]:
    """The overrides with which a run begins from a model at a stage, whatever its recipe has before that stage.

    Args:
        model: a folder, or the name of a Hub model with its commit behind an `@`.
        first: the first stage that is to read the model; None for the first of all.

    Example: `me/mine@1df85` at `quantize_awq` sets `model.name`, `model.revision`, and `sft` and `grpo` to null.
    """
    name, _, revision = (model, "", "") if Path(model).is_dir() else model.partition("@")
    if first is not None:
        require_known("--from", first, NOTEBOOKS)
    skipped = [] if first is None else [stage for stage in MODEL_SECTIONS if comes_before(stage, first)]
    sections = {MODEL_SECTIONS[stage]: None for stage in skipped}
    return {"model.name": name, "model.revision": revision or None, "model.nano": None} | sections


def find_package(folder: Path | None) -> Path:
    """Absolute path of the package for Kaggle: from where the person stands, or `dist/kernel` in the checkout."""
    return REPOSITORY_FOLDER / "dist" / "kernel" if folder is None else Path.cwd() / folder


def resolve_recipe(recipe: str) -> str:
    """A recipe's path, made absolute; a name of a shipped recipe stays a name."""
    return str(Path.cwd() / recipe) if recipe.endswith((".yaml", ".yml")) else recipe


def resolve_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides with absolute paths where they name a file or folder that is there, or one that is nowhere."""
    return {key: _resolve(key, value) for key, value in overrides.items()}


def _resolve(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_resolve(f"{key}.{index}", item) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {name: _resolve(f"{key}.{name}", item) for name, item in value.items()}
    if not isinstance(value, str) or not value or not _PATH_SETTINGS.fullmatch(key):
        return value
    here = Path.cwd() / value
    only_file = _FILE_SETTINGS.fullmatch(key) and not value.startswith(HUB_SCHEME)
    meant = here.exists() or (only_file and not (REPOSITORY_FOLDER / value).exists())
    return str(here.resolve()) if meant else value

"""Paths that a person types start where the person stands; notebooks, which run elsewhere, get absolute ones."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmath.recipe.load import REPOSITORY_FOLDER

_PATH_SETTINGS = re.compile(
    r"data\.(?:sources\.\d+\.path|test_path|decontaminate\.files(?:\.\d+)?)|(?:sft|grpo)\.accelerate|model\.name"
)
"""Settings that may hold a path; a Hub name or the name of a shipped file is left as it is."""


def name_run(recipe: str, overrides: Mapping[str, Any]) -> str:
    """The name of a run's folder where none is given: the recipe's, and the seed where one is given.

    Example: `configs/nano.yaml` with the override `seed: 1` gives `nano-seed1`.
    """
    return f"{Path(recipe).stem}-seed{overrides['seed']}" if "seed" in overrides else Path(recipe).stem


def find_run(recipe: str, run_dir: Path | None, overrides: Mapping[str, Any]) -> Path:
    """Absolute path of the run folder: `run_dir` from where the person stands, or the run's name in the checkout."""
    return REPOSITORY_FOLDER / "runs" / name_run(recipe, overrides) if run_dir is None else Path.cwd() / run_dir


def find_package(folder: Path | None) -> Path:
    """Absolute path of the package for Kaggle: from where the person stands, or `dist/kernel` in the checkout."""
    return REPOSITORY_FOLDER / "dist" / "kernel" if folder is None else Path.cwd() / folder


def resolve_recipe(recipe: str) -> str:
    """A recipe's path, made absolute; a name of a shipped recipe stays a name."""
    return str(Path.cwd() / recipe) if recipe.endswith((".yaml", ".yml")) else recipe


def resolve_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides with absolute paths where they name a file or folder that is there."""
    return {key: _resolve(value) if _PATH_SETTINGS.fullmatch(key) else value for key, value in overrides.items()}


def _resolve(value: Any) -> Any:
    if isinstance(value, list):
        return [_resolve(item) for item in value]
    there = isinstance(value, str) and value != "" and (Path.cwd() / value).exists()
    return str((Path.cwd() / value).resolve()) if there else value

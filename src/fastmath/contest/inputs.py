"""What the processes of a notebook on Kaggle begin with: its parameters, and the files among its inputs."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.runs.environment import PARENT_VARIABLE, end_with

SHIPPED_RECIPE = "recipe.yaml"
"""File in the dataset of a package that holds its recipe, with all settings."""


def find_recipe(recipe: str, inputs: Path) -> str:
    """The recipe of a notebook on Kaggle: the one it names, or else the one that travels in the dataset.

    Raises:
        fastmath.recipe.errors.SettingsError: none is named, and there is not exactly one below `inputs`.
    """
    if recipe:
        return recipe
    advice = "The parameter `recipe` is empty: build the package again (`fastmath kernel build`), or name a recipe"
    return str(find_only(SHIPPED_RECIPE, inputs, SettingsError, advice))


def find_only(name: str, folder: Path, error: type[Exception], advice: str) -> Path:
    """The only file of this name below a folder, wherever Kaggle has mounted what holds it.

    Raises:
        Exception: of the type `error`, there is none or more than one; the message ends with `advice`.
    """
    found = sorted(folder.glob(f"**/{name}"))
    if len(found) != 1:
        listed = ", ".join(map(str, found)) or "none"
        raise error(f"want one {name} below {folder}; found {listed}. {advice}")
    return found[0]


def begin_contest(order: Path) -> dict[str, Any]:
    """Begin a contest's process: log to its output, end with the notebook that started it, and read its parameters.

    Args:
        order: JSON file of the notebook's parameters, from `fastmath.kaggle.installation`.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stdout)
    if PARENT_VARIABLE in os.environ:
        end_with(int(os.environ[PARENT_VARIABLE]))
    return json.loads(order.read_text())

"""Checks of the data that a recipe names, made before anything is built from them."""

from pathlib import Path

from fastmath.data.held_out import read_held_out
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.sections import Recipe


def check_data(recipe: Recipe, root: Path) -> None:
    """Check that the files that a recipe names exist, and that they hold as many held-out problems as it asks for.

    Args:
        recipe: recipe whose `data`, `evaluate.problems` and `kernel.questions` are checked.
        root: folder at which relative paths start.

    Raises:
        SettingsError: a file is missing or broken, or holds too few problems.
    """
    for source in recipe.data.sources:
        if source.path is not None and source.revision is None and not (root / source.path).exists():
            raise SettingsError(
                f"source {source.name!r}: there is no {root / source.path}; name a file or folder that is there, or a "
                "Hub dataset with its `revision` (a commit)"
            )
    for file in recipe.data.decontaminate.files:
        if not (root / file).is_file():
            raise SettingsError(f"`data.decontaminate.files`: there is no file {root / file}")
    if recipe.data.test_path is None:
        return
    path = root / recipe.data.test_path
    if not path.is_file():
        raise SettingsError(f"`data.test_path`: there is no file {path}; want JSONL or CSV of problem and answer")
    held_out = read_held_out(recipe.data, recipe.seed, root)
    usable = held_out.problems.height
    recipe.require_held_out(usable, f"{path} holds {usable} usable")

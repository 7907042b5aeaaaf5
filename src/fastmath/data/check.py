"""Checks of the data that a recipe names, made before anything is built from them."""

from pathlib import Path

from fastmath.data.held_out import read_held_out
from fastmath.data.problem_files import require_problem_file
from fastmath.data.sources import check_local_source
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.pins import HUB_SCHEME, require_commit
from fastmath.recipe.sections import Recipe


def check_data(recipe: Recipe, root: Path) -> None:
    """Check that the files that a recipe names exist, and that they hold as many held-out problems as it asks for.

    Args:
        recipe: recipe whose `data`, `evaluate.problems` and `kernel.questions` are checked.
        root: folder at which relative paths start.

    Raises:
        SettingsError: a file is missing or broken, or holds too few problems, or what lies on the Hub is not pinned; or
            no source has the traces that the recipe wants.
    """
    require_pinned_model(recipe, root)
    _require_traces(recipe)
    for source in recipe.data.sources:
        if source.path is None:
            continue
        if (root / source.path).exists():
            check_local_source(source, root)
            continue
        if source.revision is None and source.path.count("/") != 1:  # no OWNER/NAME of a Hub dataset either
            raise SettingsError(
                f"source {source.name!r}: there is no {root / source.path}; name a file or folder that is there, or a "
                "Hub dataset with its `revision` (a commit)"
            )
        require_commit(f"source {source.name!r}, `revision`", source.path, source.revision)
    for file in recipe.data.decontaminate.files:
        require_problem_file("`data.decontaminate.files`", file, root)
    if recipe.data.validation_path is not None:
        require_problem_file("`data.validation_path`", recipe.data.validation_path, root)
    path = recipe.data.test_path
    if path is None:
        return
    require_problem_file("`data.test_path`", path, root)
    if path.startswith(HUB_SCHEME):
        return  # it is counted once it is here
    held_out = read_held_out(recipe.data, recipe.seed, root)
    usable = held_out.problems.height
    recipe.require_held_out(usable, f"{root / path} holds {usable} usable")


def _require_traces(recipe: Recipe) -> None:
    """Refuse sources of problems alone for a recipe that learns from traces, or calibrates its quantisation on them."""
    wanting = [name for name in ("sft", "quantize") if getattr(recipe, name) is not None]
    sources = recipe.data.sources
    if sources and wanting and all(source.kind == "problems" for source in sources):
        raise SettingsError(
            f"every source has the kind `problems`, whose rows have no traces, and {' and '.join(wanting)} of the "
            f"recipe {recipe.name} want some; add a source that has them, or leave out what wants them: "
            + " ".join(f"--set {name}=null" for name in wanting)
        )


def require_pinned_model(recipe: Recipe, root: Path) -> None:
    """Refuse a base model of the Hub that is not pinned to a commit.

    Raises:
        SettingsError: `model.revision` is no commit.
    """
    model = recipe.model
    if model.nano is None and not (root / model.name).is_dir():
        require_commit("`model.revision`", model.name, model.revision, dataset=False)

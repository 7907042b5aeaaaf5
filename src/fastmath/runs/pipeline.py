"""The pipeline: papermill runs the notebooks one stage after the other.

A stage whose settings and inputs are unchanged is skipped; a stage that was killed resumes where it stopped. Every
executed notebook is kept in the run folder, also one that failed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.interrupts import Interrupts
from fastmath.runs.stage import Stage, StageFailedError
from fastmath.runs.stages import MODEL_SECTIONS, NOTEBOOKS, list_stages


@dataclass(frozen=True)
class StageResult:
    """Result of one stage.

    Attributes:
        stage: name of the stage, a key of `NOTEBOOKS`.
        outcome: `done`, or `unchanged` if the stage was skipped.
        seconds: wall time of the whole notebook, in seconds; for a skipped stage, the time that its last run took.
        peak_memory_gib: largest memory of the stage's process and its children together, in GiB.
    """

    stage: str
    outcome: str
    seconds: float
    peak_memory_gib: float


def open_stage(
    name: str,
    recipe: str,
    run_dir: str,
    overrides: Mapping[str, Any] | None = None,
    force: bool = False,
    parameters: Mapping[str, str] | None = None,
) -> Stage:
    """Make the stage that a notebook's parameters describe, and check that its inputs are there.

    Args:
        name: a key of `NOTEBOOKS`.
        recipe: a name in `configs` or a path to a YAML file; like `run_dir`, a relative path starts at the checkout's
            root, whatever folder the notebook runs in.
        run_dir: the run folder.
        overrides: values by dotted key, as `load_recipe` takes them; None changes nothing.
        force: whether the stage may have finished with other settings; `Stage.running` then sets its products aside.
        parameters: further parameters of the notebook that decide the result, as in `Stage`; None for none.

    Raises:
        fastmath.recipe.errors.SettingsError: the recipe or an override cannot work.
        fastmath.runs.stage.OtherSettingsError: without `force`, the stage has finished with other settings or inputs.
        MissingStageError: an earlier stage has not finished in `run_dir`.
    """
    stage = make_stage(name, load_recipe(_find_from_root(recipe), overrides), run_dir, parameters)
    require_stage(stage.recipe, name)
    stage.require_inputs(recipe)
    if not force:
        stage.require_same_settings()
    return stage


def make_stage(name: str, recipe: Recipe, run_dir: str | Path, parameters: Mapping[str, str] | None = None) -> Stage:
    """The stage of a run folder, whatever state it is in; a relative path starts at the checkout's root."""
    root = _find_root()
    return Stage(name, recipe, root / run_dir, root, parameters or {})


def _find_root() -> Path:
    # A notebook's working directory is its own folder in JupyterLab and the checkout's root under papermill, so paths
    # start at the root in both. An installed wheel has no checkout: there they start at the working directory.
    return REPOSITORY_FOLDER if (REPOSITORY_FOLDER / "notebooks").is_dir() else Path.cwd()


def _find_from_root(recipe: str) -> str:
    return str(_find_root() / recipe) if recipe.endswith((".yaml", ".yml")) else recipe


def require_stage(recipe: Recipe, name: str) -> None:
    """Refuse a stage that a recipe does not have.

    Raises:
        SettingsError: there is no such stage, or the recipe's section for it is null.
    """
    if name not in NOTEBOOKS:
        raise SettingsError(f"there is no stage {name!r}; want one of {', '.join(NOTEBOOKS)}")
    there = list_stages(recipe)
    if name not in there:
        section = MODEL_SECTIONS.get(name, "grpo")
        raise SettingsError(
            f"the recipe {recipe.name} has no stage {name!r}, as `{section}` is null; want one of {', '.join(there)}"
        )


def select_stages(recipe: Recipe, first: str | None, last: str | None) -> list[str]:
    """The stages to run, in order.

    Args:
        recipe: the recipe, of whose stages these are some.
        first: first stage; None starts with the first of all.
        last: last stage, included; None ends with the last of all.

    Raises:
        SettingsError: a stage is unknown, the recipe does not have it, or `last` comes before `first`.
    """
    names = list_stages(recipe)
    for name in (first, last):
        if name is not None:
            require_stage(recipe, name)
    start, end = names.index(first or names[0]), names.index(last or names[-1])
    if end < start:
        raise SettingsError(f"--to {last} comes before --from {first}; the order is {', '.join(names)}")
    return names[start : end + 1]


def run_stage(
    name: str,
    recipe_name: str,
    run_dir: Path,
    overrides: Mapping[str, Any],
    force: bool = False,
    interrupts: Interrupts | None = None,
) -> StageResult:
    """Run the notebook of one stage, unless the stage has already finished with the same settings and inputs.

    Args:
        name: a key of `NOTEBOOKS`.
        recipe_name: a name in `configs` or a path to a YAML file.
        run_dir: absolute path of the run folder, which is created if it does not exist.
        overrides: values by dotted key, as `load_recipe` takes them.
        force: whether to begin the stage anew, whatever is there; what it had made is moved to `superseded/`.
        interrupts: requests to stop, which are passed on to the notebook; None for none.

    Raises:
        fastmath.runs.stage.OtherSettingsError: without `force`, the stage has finished with other settings or inputs.
        SettingsError: the recipe or an override cannot work.
        StageFailedError: the notebook failed.
        KeyboardInterrupt: a stop was requested; what the stage has saved is there for the next run.
    """
    recipe = load_recipe(recipe_name, overrides)
    run_dir.mkdir(parents=True, exist_ok=True)
    stage = make_stage(name, recipe, run_dir)
    if force:
        stage.supersede()  # here and not by the notebook, whose new output replaces the old one's
    else:
        stage.require_same_settings()
        if stage.is_current():
            manifest = stage.read_manifest()
            return StageResult(name, "unchanged", manifest["seconds"], manifest["peak_memory_gib"])
    from fastmath.runs.execute import NotebookFailedError, execute  # half a second, which notebooks do not need

    started = time.monotonic()
    output = run_dir / Path(NOTEBOOKS[name]).name
    parameters = {"recipe": recipe_name, "run_dir": str(run_dir), "overrides": dict(overrides)}
    try:
        execute(REPOSITORY_FOLDER / NOTEBOOKS[name], output, parameters, REPOSITORY_FOLDER, interrupts)
    except NotebookFailedError as error:
        raise StageFailedError(
            f"stage {name!r} failed {error}\nThe executed notebook, with the traceback: {output}"
        ) from error
    return StageResult(name, "done", time.monotonic() - started, stage.read_manifest()["peak_memory_gib"])

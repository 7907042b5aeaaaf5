"""The chain of notebooks, run by papermill one stage after the other.

A stage whose settings and inputs are unchanged is passed over; one that was killed goes on where it stopped. Each
executed notebook lies in the run folder, the failed one too.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.stage import Stage, StageFailedError

NOTEBOOKS: Mapping[str, str] = {
    "build_data": "notebooks/01_build_data.ipynb",
    "sft": "notebooks/02_sft.ipynb",
    "grpo": "notebooks/03_grpo.ipynb",
    "reward_curves": "notebooks/04_reward_curves.ipynb",
    "quantize_awq": "notebooks/05_quantize_awq.ipynb",
    "evaluate": "notebooks/06_evaluate.ipynb",
    "kernel": "inference_kernel/kernel.ipynb",
}
KERNEL_NAME = "python3"


@dataclass(frozen=True)
class StageResult:
    """What became of one stage.

    Attributes:
        outcome: `done` or `unchanged`.
        seconds: wall time of the whole notebook; of the stage's last work where it was unchanged.
        peak_memory_gib: of the stage's process and its children together.
    """

    stage: str
    outcome: str
    seconds: float
    peak_memory_gib: float


def open_stage(name: str, recipe: str, run_dir: str, overrides: Mapping[str, Any] | None = None) -> Stage:
    """Resolve a stage from a notebook's parameters.

    Args:
        name: a key of `NOTEBOOKS`.
        recipe: a name in `configs` or a path to a YAML file.
        run_dir: the run folder; a relative one starts at the checkout's root, wherever the notebook is opened.
        overrides: dotted keys into the recipe.

    Raises:
        fastmath.recipe.errors.SettingsError: the recipe or an override cannot work.
        MissingStageError: an earlier stage has not finished in `run_dir`.
    """
    stage = _make_stage(name, load_recipe(recipe, overrides), run_dir)
    stage.require_inputs()
    return stage


def _make_stage(name: str, recipe: Recipe, run_dir: str | Path) -> Stage:
    # Notebooks start in their own folder under JupyterLab, at the checkout's root under papermill. An installed wheel
    # has no checkout: there both start where the person stands.
    root = REPOSITORY_FOLDER if (REPOSITORY_FOLDER / "notebooks").is_dir() else Path.cwd()
    return Stage(name, recipe, root / run_dir, root)


def select_stages(first: str | None, last: str | None) -> list[str]:
    """The stages from `first` to `last`, both included; None means from the start, or to the end.

    Raises:
        SettingsError: an unknown stage, or an end before the start.
    """
    names = list(NOTEBOOKS)
    for name in (first, last):
        if name is not None and name not in names:
            raise SettingsError(f"there is no stage {name!r}; want one of {', '.join(names)}")
    start, end = names.index(first or names[0]), names.index(last or names[-1])
    if end < start:
        raise SettingsError(f"--to {last} comes before --from {first}; the order is {', '.join(names)}")
    return names[start : end + 1]


def run_stage(
    name: str, recipe_name: str, run_dir: Path, overrides: Mapping[str, Any], force: bool = False
) -> StageResult:
    """Run one stage's notebook, unless it has already run with these settings on these inputs.

    Args:
        name: a key of `NOTEBOOKS`.
        recipe_name: as the notebook takes it.
        run_dir: absolute path of the run folder; created.
        overrides: dotted keys into the recipe.
        force: run even where nothing has changed.

    Raises:
        SettingsError: the recipe or an override cannot work.
        StageFailedError: the notebook failed.
    """
    recipe = load_recipe(recipe_name, overrides)
    run_dir.mkdir(parents=True, exist_ok=True)
    stage = _make_stage(name, recipe, run_dir)
    if not force and stage.is_current():
        manifest = stage.read_manifest()
        return StageResult(name, "unchanged", manifest["seconds"], manifest["peak_memory_gib"])
    if force:
        stage.mark_stale()
    import papermill  # half a second, which notebooks and `--help` do without
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    started = time.monotonic()
    output = run_dir / Path(NOTEBOOKS[name]).name
    try:
        with _stderr_to(run_dir / "notebooks.log"):
            papermill.execute_notebook(
                str(REPOSITORY_FOLDER / NOTEBOOKS[name]),
                str(output),
                parameters={"recipe": recipe_name, "run_dir": str(run_dir), "overrides": dict(overrides)},
                kernel_name=KERNEL_NAME,
                cwd=str(REPOSITORY_FOLDER),
                progress_bar=False,
                # Unix sockets instead of TCP ports, which every user of the machine could connect to.
                config=Config({"KernelManager": {"transport": "ipc"}}),
            )
    except PapermillExecutionError as error:
        raise StageFailedError(
            f"stage {name!r} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"The executed notebook, with the traceback: {output}"
        ) from error
    return StageResult(name, "done", time.monotonic() - started, stage.read_manifest()["peak_memory_gib"])


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Let this process and the kernels it starts write their standard error to a file.

    Libraries in a kernel write past Jupyter, straight to the file descriptor, and would break the progress lines.
    """
    saved = os.dup(2)
    try:
        with path.open("ab") as log:
            os.dup2(log.fileno(), 2)
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)

"""Building what Kaggle wants: the notebook, its wheels as a dataset, the quantised model, and their metadata.

`kaggle kernels push` uploads one file, so everything else that the notebook needs travels as a dataset and as a model.
The metadata are filled from the templates in `inference_kernel/`.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.kaggle.metadata import (
    DATASET,
    DATASET_FOLDER,
    INSTANCE,
    KERNEL,
    MODEL,
    PLACES,
    WEIGHTS_FOLDER,
    PackageError,
    slugify,
)
from fastmath.kaggle.wheels import LISTS, NOTEBOOK, WHEELS
from fastmath.recipe.load import load_recipe
from fastmath.runs.provenance import describe_commit

TEMPLATES = "inference_kernel"
"""Folder of the notebook and of the metadata's templates in the checkout."""
NOTEBOOK_FILE = "kernel.ipynb"
CONTEST_SOURCES = {
    "aimo2": {
        "competition": "ai-mathematical-olympiad-progress-prize-2",
        "machine_shape": "NvidiaL4",
        "overrides": {"kernel.profile": "aimo2"},
    },
    "aimo3": {
        "competition": "ai-mathematical-olympiad-progress-prize-3",
        "machine_shape": "NvidiaH100",
        "overrides": {"kernel.profile": "aimo3", "kernel.engine.arguments.tensor_parallel_size": 1},
    },
}
"""A contest's slug on Kaggle, its machine (four L4, or one H100), and what the notebook changes in its recipe."""


@dataclass(frozen=True)
class PackageOptions:
    """What a build changes in the templates; None leaves what stands there.

    Attributes:
        machine: whose wheels are listed, `gpu` or `cpu`.
        recipe, contest: what the notebook plays; a contest also sets the competition and the machine's shape.
        owner: Kaggle user that owns kernel, dataset and model.
        kernel_title, dataset_title, model_title: slugs follow from titles.
        variation, model_version: of the model that the kernel mounts.
        competition, machine_shape: over those of the contest.
    """

    machine: str = "gpu"
    recipe: str | None = None
    contest: str | None = None
    owner: str | None = None
    kernel_title: str | None = None
    dataset_title: str | None = None
    model_title: str | None = None
    variation: str | None = None
    model_version: int | None = None
    competition: str | None = None
    machine_shape: str | None = None


def build_package(folder: Path, options: PackageOptions, repository: Path, model: Path | None = None) -> None:
    """Write the notebook, the dataset and the metadata; wheels that lie in the dataset folder stay there.

    Args:
        folder: `dist/kernel` as a rule.
        options: what differs from the templates.
        repository: the checkout, which has the notebook, the templates and the lists of wheels.
        model: a quantised checkpoint, linked into the folder that is uploaded as the model.

    Raises:
        PackageError: this is no checkout of the project, or its wheel could not be built.
        fastmath.recipe.load.SettingsError: the notebook's settings cannot work.
    """
    source = repository / TEMPLATES
    if not (source / KERNEL).is_file():
        raise PackageError(f"there is no {source / KERNEL}: a package is built in a checkout of the project")
    templates = {name: json.loads((source / name).read_text()) for name in PLACES}
    notebook = json.loads((source / NOTEBOOK_FILE).read_text())
    set_parameters(notebook, _notebook_parameters(notebook, options))
    dataset = folder / DATASET_FOLDER
    dataset.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / NOTEBOOK_FILE).write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    for name, content in fill_metadata(templates, options).items():
        (folder / PLACES[name]).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    for name in (WHEELS, NOTEBOOK):
        shutil.copy(repository / LISTS / options.machine / name, dataset / name)
    _build_wheel(repository, dataset)
    for earlier in (folder / WEIGHTS_FOLDER).iterdir():
        if earlier.is_symlink():
            earlier.unlink()
    if model is not None:
        link_files(model, folder / WEIGHTS_FOLDER)


def fill_metadata(templates: Mapping[str, Any], options: PackageOptions) -> dict[str, dict[str, Any]]:
    """The four metadata files of a package from the templates, consistent with each other."""
    kernel, dataset, model, instance = (dict(templates[name]) for name in (KERNEL, DATASET, MODEL, INSTANCE))
    contest = CONTEST_SOURCES.get(options.contest or "", {})
    owner = options.owner or model["ownerSlug"]
    kernel["title"] = options.kernel_title or kernel["title"]
    dataset["title"] = options.dataset_title or dataset["title"]
    model["title"] = options.model_title or model["title"]
    kernel["id"] = f"{owner}/{slugify(kernel['title'])}"
    dataset["id"] = f"{owner}/{slugify(dataset['title'])}"
    dataset["description"] = f"The wheel of commit {_name_commit()}, and every wheel that its kernel imports."
    model |= {"ownerSlug": owner, "slug": slugify(model["title"])}
    instance |= {"ownerSlug": owner, "modelSlug": model["slug"]}
    instance["instanceSlug"] = options.variation or instance["instanceSlug"]
    version = options.model_version or int(kernel["model_sources"][0].rsplit("/", 1)[1])
    kernel["dataset_sources"] = [dataset["id"]]
    kernel["model_sources"] = [f"{owner}/{model['slug']}/Transformers/{instance['instanceSlug']}/{version}"]
    competition = options.competition or contest.get("competition")
    kernel["competition_sources"] = [competition] if competition else kernel["competition_sources"]
    kernel["machine_shape"] = options.machine_shape or contest.get("machine_shape", kernel["machine_shape"])
    return {KERNEL: kernel, DATASET: dataset, MODEL: model, INSTANCE: instance}


def parameters_cell(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The cell of a notebook that is tagged `parameters`.

    Raises:
        PackageError: there is none.
    """
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", ()):
            return cell
    raise PackageError("the notebook has no cell tagged `parameters`")


def set_parameters(notebook: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Replace the values of some parameters in a notebook's `parameters` cell.

    Raises:
        PackageError: the cell has no such parameter.
    """
    cell = parameters_cell(notebook)
    source = "".join(cell["source"])
    for name, value in values.items():
        source, replaced = re.subn(
            rf"^({name}: [\w\[\], ]+) = .*?(  #.*)?$",
            lambda match, value=value: f"{match[1]} = {json.dumps(value)}{match[2] or ''}",
            source,
            flags=re.M,
        )
        if replaced != 1:
            raise PackageError(f"the notebook's parameters cell has no line `{name}: TYPE = VALUE`; it says\n{source}")
    cell["source"] = source.splitlines(keepends=True)


def link_files(source: Path, destination: Path) -> None:
    """Make links to the files of a folder in another one, in place of links of the same names."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        link = destination / path.name
        if link.is_symlink():
            link.unlink()
        if path.is_file() and not link.exists():
            link.symlink_to(path.resolve())


def _notebook_parameters(notebook: Mapping[str, Any], options: PackageOptions) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if options.recipe is not None:
        values["recipe"] = options.recipe
    if options.contest is not None:
        values["overrides"] = CONTEST_SOURCES[options.contest]["overrides"]
    default = re.search(r'^recipe: str = "([^"]*)"', "".join(parameters_cell(notebook)["source"]), flags=re.M)
    load_recipe(options.recipe or default[1], values.get("overrides"))
    return values


def _build_wheel(repository: Path, folder: Path) -> None:
    """Build the project's own wheel into a folder, in place of an earlier one."""
    for earlier in folder.glob("fastmath-*.whl"):
        earlier.unlink()
    finished = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(repository)],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise PackageError(f"the project's wheel could not be built:\n{finished.stderr.strip()[-2000:]}")


def _name_commit() -> str:
    described = describe_commit()
    return f"{described['commit']}{' with uncommitted changes' if described['dirty'] else ''}"

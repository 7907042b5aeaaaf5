"""Building a package for Kaggle: the notebook, its wheels as a dataset, the quantised model, and their metadata.

`kaggle kernels push` uploads a single file, so everything else that the notebook needs is uploaded as a dataset and as
a model. The metadata are filled in from the templates in `inference_kernel/`.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmath.contest.inputs import SHIPPED_RECIPE
from fastmath.contest.policy import find_policy
from fastmath.kaggle.metadata import (
    DATASET,
    DATASET_FOLDER,
    INSTANCE,
    KERNEL,
    MODEL,
    PLACES,
    WEIGHTS_FOLDER,
    PackageError,
    require_owner,
    slugify,
)
from fastmath.kaggle.wheels import IMAGE, WHEELS, find_lists
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import dump_recipe, load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.provenance import describe_commit

KAGGLE_PYTHON = "3.12"
"""Python of Kaggle's image since December 2025 (Kaggle/docker-python, Dockerfile.tmpl)."""
TEMPLATES = "inference_kernel"
"""Folder of the checkout that holds the notebook and the templates of the metadata."""
NOTEBOOK_FILE = "kernel.ipynb"
DEFAULT_RECIPE = "fast_math_r1_14b"
"""Recipe of a package for which neither a recipe nor a run is named."""
CONTEST_SOURCES = {
    "aimo2": {
        "competition": "ai-mathematical-olympiad-progress-prize-2",
        "machine_shape": "NvidiaL4",
        "overrides": {"kernel.profile": "aimo2", "kernel.engine.arguments.attention_backend": "TRITON_ATTN"},
    },
    "aimo3": {
        "competition": "ai-mathematical-olympiad-progress-prize-3",
        "machine_shape": "NvidiaH100",
        "overrides": {
            "kernel.profile": "aimo3",
            "kernel.engine.arguments.tensor_parallel_size": 1,
            "kernel.engine.arguments.attention_backend": "FLASH_ATTN",
        },
    },
}
"""Contest → its slug on Kaggle, its machine (four L4, or one H100), and the notebook's overrides of the recipe.

The attention of each machine is one that vLLM's wheel holds compiled, or that Triton compiles without CUDA's compiler.
"""


@dataclass(frozen=True)
class PackageOptions:
    """What a build changes in the notebook and in the templates; None keeps the value there.

    Attributes:
        machine: machine whose list of wheels goes into the dataset, `gpu` or `cpu`.
        python: version of Python that the wheels are for, such as `3.12`, which Kaggle's image has.
        docker_image: Kaggle's image that the notebook runs in; None takes what `docker_image_pinning_type` says.
        recipe: recipe that the notebook is run with, a name in `configs` or a path.
        contest: contest that the notebook plays, `aimo2` or `aimo3`; it also sets the competition and the machine.
        owner: Kaggle user who owns kernel, dataset and model.
        kernel_title: title of the kernel; its slug is derived from it.
        dataset_title: title of the dataset; its slug is derived from it.
        model_title: title of the model; its slug is derived from it.
        variation: slug of the model's variation that the kernel mounts.
        model_version: version of this variation that the kernel mounts.
        competition: slug of the competition, in place of the contest's.
        machine_shape: Kaggle's name of the machine, in place of the contest's.
    """

    machine: str = "gpu"
    python: str = KAGGLE_PYTHON
    docker_image: str | None = None
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


def build_package(
    folder: Path,
    options: PackageOptions,
    repository: Path,
    model: Path | None = None,
    recipe: Recipe | None = None,
) -> None:
    """Write the notebook, the dataset and the metadata; wheels already downloaded to the dataset folder stay there.

    Args:
        folder: folder of the package, `dist/kernel` by convention; it is created if needed.
        options: what differs from the templates.
        repository: the checkout, which holds the notebook, the templates and the lists of wheels.
        model: folder of a quantised checkpoint; its files are linked into the folder that is uploaded as the model.
            None leaves that folder without weights.
        recipe: the recipe that travels in the dataset and is what the notebook reads; None takes `options.recipe`.

    Raises:
        PackageError: `repository` is not a checkout of the project, or the project's wheel could not be built.
        fastmath.recipe.errors.SettingsError: the recipe and overrides of the notebook, or the owner, are not valid.
    """
    if options.owner is not None:
        require_owner(options.owner)
    source = repository / TEMPLATES
    if not (source / KERNEL).is_file():
        raise PackageError(f"there is no {source / KERNEL}: a package is built in a checkout of the project")
    templates = {name: json.loads((source / name).read_text()) for name in PLACES}
    notebook = json.loads((source / NOTEBOOK_FILE).read_text())
    shipped = recipe or load_recipe(options.recipe or DEFAULT_RECIPE)
    set_parameters(notebook, _notebook_parameters(options, shipped))
    dataset = folder / DATASET_FOLDER
    dataset.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / NOTEBOOK_FILE).write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    for name, content in fill_metadata(templates, options).items():
        (folder / PLACES[name]).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    for name in (WHEELS, IMAGE):
        shutil.copy(find_lists(options.machine, options.python, repository) / name, dataset / name)
    (dataset / SHIPPED_RECIPE).write_text(dump_recipe(shipped))
    _build_wheel(repository, dataset)
    for earlier in (folder / WEIGHTS_FOLDER).iterdir():
        if earlier.is_symlink():
            earlier.unlink()
    if model is not None:
        link_files(model, folder / WEIGHTS_FOLDER)


def fill_metadata(templates: Mapping[str, Any], options: PackageOptions) -> dict[str, dict[str, Any]]:
    """Fill in the templates of the four metadata files, so that owners, slugs and sources agree among them.

    Args:
        templates: content of each template, by file name.
        options: what differs from the templates.
    """
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
    if options.docker_image is not None:
        kernel["docker_image"] = options.docker_image
    kernel["machine_shape"] = options.machine_shape or contest.get("machine_shape", kernel["machine_shape"])
    return {KERNEL: kernel, DATASET: dataset, MODEL: model, INSTANCE: instance}


def parameters_cell(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The cell of a notebook that is tagged `parameters`.

    Raises:
        PackageError: there is no such cell.
    """
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", ()):
            return cell
    raise PackageError("the notebook has no cell tagged `parameters`")


def read_parameters(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a notebook and their values.

    Raises:
        PackageError: it has no cell tagged `parameters`.
    """
    lines = ast.parse("".join(parameters_cell(notebook)["source"])).body
    return {line.target.id: ast.literal_eval(line.value) for line in lines if isinstance(line, ast.AnnAssign)}


def set_parameters(notebook: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Replace values in a notebook's `parameters` cell; types and comments of the lines stay.

    Args:
        notebook: content of the notebook's file; its cell is changed in place.
        values: parameter → new value, which must be one that JSON and Python write alike.

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
    """Link the files of one folder into another; links of the same names are replaced, real files are kept."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        link = destination / path.name
        if link.is_symlink():
            link.unlink()
        if path.is_file() and not link.exists():
            link.symlink_to(path.resolve())


def _notebook_parameters(options: PackageOptions, recipe: Recipe) -> dict[str, Any]:
    """The parameters of a notebook that reads the recipe in its dataset; whether they fit each other is checked."""
    overrides = CONTEST_SOURCES[options.contest]["overrides"] if options.contest is not None else {}
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / SHIPPED_RECIPE
        path.write_text(dump_recipe(recipe))
        policy = load_recipe(str(path), overrides).kernel.policy
        find_policy(policy)
    if ":" in policy and not policy.startswith("fastmath."):
        raise SettingsError(
            f"`kernel.policy` {policy!r} is of a module that does not travel with the package; want one inside "
            "`src/fastmath`, whose wheel does"
        )
    # Kaggle's working folder, without its path, so that the check can run the notebook as it is.
    return {"recipe": "", "run_dir": ".", "overrides": overrides}


def _build_wheel(repository: Path, folder: Path) -> None:
    """Build the project's own wheel into a folder; an earlier wheel of it is removed."""
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

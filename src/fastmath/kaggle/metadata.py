"""Checks of the four metadata files before a push; the rules were found by reading Kaggle's client, kaggle 2.2.5.

The client refuses some mistakes, ignores others silently (a title that does not match the slug, a missing boolean) and
reports a source that does not exist only after the push. Here every mistake is reported as one sentence.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastmath.recipe.errors import SettingsError

KERNEL, DATASET = "kernel-metadata.json", "dataset-metadata.json"
MODEL, INSTANCE = "model-metadata.json", "model-instance-metadata.json"
DATASET_FOLDER, MODEL_FOLDER, WEIGHTS_FOLDER = "dataset", "model", "model/weights"
PLACES = {
    KERNEL: KERNEL,
    DATASET: f"{DATASET_FOLDER}/{DATASET}",
    MODEL: f"{MODEL_FOLDER}/{MODEL}",
    INSTANCE: f"{WEIGHTS_FOLDER}/{INSTANCE}",
}
"""Metadata file → its path in a built package."""

PLACEHOLDER = "INSERT_OWNER"
"""Owner in the templates, which every package must replace."""

_OWNER = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_RETIRED_SHAPES = ("NvidiaTeslaP100", "TpuV38", "Tpu1VmV38")
_REQUIRED_TYPES: Mapping[str, Mapping[str, type]] = {
    KERNEL: {
        "id": str,
        "title": str,
        "code_file": str,
        "language": str,
        "kernel_type": str,
        "is_private": bool,
        "enable_gpu": bool,
        "enable_internet": bool,
        "machine_shape": str,
        "dataset_sources": list,
        "competition_sources": list,
        "kernel_sources": list,
        "model_sources": list,
    },
    DATASET: {"id": str, "title": str, "licenses": list},
    MODEL: {"ownerSlug": str, "slug": str, "title": str, "isPrivate": bool, "description": str},
    INSTANCE: {
        "ownerSlug": str,
        "modelSlug": str,
        "instanceSlug": str,
        "framework": str,
        "licenseName": str,
        "fineTunable": bool,
        "trainingData": list,
    },
}


class PackageError(RuntimeError):
    """A package for Kaggle could not be built, or lacks something that Kaggle requires."""


def slugify(title: str) -> str:
    """The slug that Kaggle derives from a title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def require_owner(owner: str) -> None:
    """Refuse what cannot be the name of a Kaggle user in an address.

    Raises:
        SettingsError: it has other characters; the message names the nearest that has not.
    """
    if not _OWNER.fullmatch(owner):
        nearest = re.sub(r"[^a-z0-9_-]", "", owner.lower()) or "your-name"
        raise SettingsError(
            f"--owner is {owner!r}; want your name as it stands in the address of your page on Kaggle, in lowercase "
            f"letters, digits, `-` and `_`, such as {nearest!r}"
        )


def check_metadata(folder: Path) -> list[str]:
    """Check the metadata of a built package; returns one sentence per mistake, none where all is well."""
    problems: list[str] = []
    files: dict[str, dict[str, Any]] = {}
    for name, place in PLACES.items():
        try:
            files[name] = json.loads((folder / place).read_text())
        except FileNotFoundError:
            problems.append(f"there is no {folder / place}; run `fastmath kernel build`")
        except json.JSONDecodeError as error:
            problems.append(f"{place} is no valid JSON: {error}")
    if problems:
        return problems
    for name, content in files.items():
        problems += [f"{PLACES[name]}: {problem}" for problem in _check_types(content, _REQUIRED_TYPES[name])]
    unowned = [PLACES[name] for name, content in files.items() if PLACEHOLDER in json.dumps(content)]
    if unowned:
        problems.append(
            f"{', '.join(unowned)} still say {PLACEHOLDER}; build with `fastmath kernel build --owner YOUR_KAGGLE_NAME`"
        )
    if not problems:
        for name, check in ((KERNEL, _check_kernel), (DATASET, _check_dataset), (MODEL, _check_model)):
            problems += [f"{PLACES[name]}: {problem}" for problem in check(files, folder)]
    return problems


def _check_types(content: Mapping[str, Any], needed: Mapping[str, type]) -> Iterator[str]:
    for key, kind in needed.items():
        if not isinstance(content.get(key), kind):
            yield f"`{key}` is {content.get(key)!r}; want a {kind.__name__}"


def _check_kernel(files: Mapping[str, dict[str, Any]], folder: Path) -> Iterator[str]:
    kernel, model, instance = files[KERNEL], files[MODEL], files[INSTANCE]
    yield from _check_reference(kernel["id"], kernel["title"], shortest=5)
    if not (folder / kernel["code_file"]).is_file():
        yield f"`code_file` names {kernel['code_file']!r}, which is not there"
    for key, wanted in (("language", "python"), ("kernel_type", "notebook"), ("enable_internet", False)):
        if kernel[key] != wanted:
            yield f"`{key}` is {kernel[key]!r}; want {wanted!r}"
    if kernel["machine_shape"].lower() in [shape.lower() for shape in _RETIRED_SHAPES]:
        yield f"`machine_shape` {kernel['machine_shape']!r} is retired; want NvidiaL4 or NvidiaH100"
    if kernel.get("docker_image_pinning_type", "original") not in ("original", "latest"):
        yield f"`docker_image_pinning_type` is {kernel['docker_image_pinning_type']!r}; want original or latest"
    if not kernel["competition_sources"]:
        yield "`competition_sources` is empty: neither questions nor kaggle_evaluation would be there"
    if files[DATASET]["id"] not in kernel["dataset_sources"]:
        yield f"`dataset_sources` is {kernel['dataset_sources']}; want {files[DATASET]['id']}, which holds the wheels"
    variation = f"{model['ownerSlug']}/{model['slug']}/Transformers/{instance['instanceSlug']}"
    if len(kernel["model_sources"]) != 1 or not re.fullmatch(
        re.escape(variation) + r"/\d+", kernel["model_sources"][0]
    ):
        yield f"`model_sources` is {kernel['model_sources']}; want one, {variation}/VERSION"


def _check_dataset(files: Mapping[str, dict[str, Any]], _: Path) -> Iterator[str]:
    dataset = files[DATASET]
    yield from _check_reference(dataset["id"], dataset["title"], shortest=6)
    if len(dataset["licenses"]) != 1 or not dataset["licenses"][0].get("name"):
        yield f"`licenses` is {dataset['licenses']}; want exactly one, with a name"
    if not 20 <= len(dataset.get("subtitle") or " " * 20) <= 80:
        yield f"`subtitle` has {len(dataset['subtitle'])} characters; want 20 to 80, or none"


def _check_model(files: Mapping[str, dict[str, Any]], _: Path) -> Iterator[str]:
    model, instance = files[MODEL], files[INSTANCE]
    yield from _check_reference(f"{model['ownerSlug']}/{model['slug']}", model["title"], shortest=5)
    if (instance["ownerSlug"], instance["modelSlug"]) != (model["ownerSlug"], model["slug"]):
        yield f"{PLACES[INSTANCE]} is of the model {instance['ownerSlug']}/{instance['modelSlug']}"
    if not _SLUG.fullmatch(instance["instanceSlug"]):
        yield f"`instanceSlug` is {instance['instanceSlug']!r}; want lowercase letters, digits and single hyphens"
    if instance["framework"].lower() != "transformers":
        yield f"`framework` is {instance['framework']!r}; want transformers"
    if not instance["licenseName"]:
        yield "`licenseName` is empty"


def _check_reference(reference: str, title: str, shortest: int) -> Iterator[str]:
    owner, _, slug = reference.partition("/")
    if not _OWNER.fullmatch(owner) or not _SLUG.fullmatch(slug):
        yield f"{reference!r} is no OWNER/SLUG of lowercase letters, digits and single hyphens"
    if not shortest <= len(title) <= 50 or not shortest <= len(slug) <= 50:
        yield f"title {title!r} and slug {slug!r} want {shortest} to 50 characters each"
    if slugify(title) != slug:
        yield f"title {title!r} becomes the slug {slugify(title)!r}, and the id says {slug!r}"

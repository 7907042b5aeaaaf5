"""Reads a recipe: loads the YAML file, applies dotted overrides, validates, and suggests keys for unknown ones."""

import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fastmath.policies.adaptive import load_schedule
from fastmath.recipe.errors import SettingsError, suggest
from fastmath.recipe.sections import Recipe

PACKAGE_FOLDER = Path(__file__).parents[1]
REPOSITORY_FOLDER = PACKAGE_FOLDER.parents[1]
"""The checkout with `configs`, `notebooks` and `inference_kernel`; not meaningful in an installed wheel."""

_EXPONENT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader (YAML 1.1), except that `1e-5` is a number, as in YAML 1.2, and not text."""


class _Dumper(yaml.SafeDumper):
    """Puts text that `_Loader` would take for a number into quotes."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def configs_folder() -> Path:
    """The folder of the shipped recipes: `configs` in the checkout, or its copy inside an installed wheel."""
    checkout = REPOSITORY_FOLDER / "configs"
    return checkout if checkout.is_dir() else PACKAGE_FOLDER / "configs"


def find_recipe(recipe: str) -> Path:
    """Path of a recipe given by name (`nano`) or as a path to a YAML file.

    Raises:
        SettingsError: there is no such recipe; the message names the nearest one.
    """
    return _find_file("recipe", recipe, configs_folder())


def find_accelerate_file(name: str) -> Path:
    """Path of a launch configuration given by its name in `configs/accelerate` or as a path to a YAML file.

    Like the other paths in a recipe, a relative one starts at the checkout's root; without a checkout, as in an
    installed wheel, at the working directory.

    Raises:
        SettingsError: there is no such file; the message names the nearest one.
    """
    return _find_file("accelerate configuration", name, configs_folder() / "accelerate", _paths_root())


def _paths_root() -> Path:
    """Where the relative paths of a recipe start."""
    return REPOSITORY_FOLDER if (REPOSITORY_FOLDER / "configs").is_dir() else Path.cwd()


def _find_file(kind: str, name: str, folder: Path, root: Path | None = None) -> Path:
    path = (root or Path.cwd()) / name if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        listed, hint = f"; want one of {', '.join(known)}", suggest(name, known)
        raise SettingsError(f"there is no {kind} {name!r}{listed}{'' if hint == listed else hint}")
    return path


def load_recipe(recipe: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read, override and validate a recipe.

    The settings of TRL and vLLM are not checked here, because that needs these libraries; see
    `fastmath.training.trainers` and `fastmath.engine.arguments`.

    Args:
        recipe: a name in `configs` or a path to a YAML file.
        overrides: values by dotted key, e.g. `{"sft.trainer.max_steps": 10}`; an item of a list is named by its index,
            e.g. `grpo.rewards.0.weight`.

    Raises:
        SettingsError: the recipe has unknown keys, wrong types or contradictions, or `overrides` is not a mapping.
    """
    if overrides is not None and not isinstance(overrides, Mapping):
        raise SettingsError(
            f"`overrides` is a {type(overrides).__name__}, {overrides!r}; want a mapping of dotted keys such as "
            "{'sft.trainer.max_steps': 10} (with papermill: -y \"overrides: {sft.trainer.max_steps: 10}\")"
        )
    path = find_recipe(recipe)
    try:
        settings = yaml.load(path.read_text(), Loader=_Loader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is no valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise SettingsError(f"{path.name} holds a {type(settings).__name__}; want the sections of a recipe")
    settings = _unshare(settings)
    for key, value in (overrides or {}).items():
        _set_dotted(settings, str(key), _read_exponents(value))
    _share_length(settings)
    return _validate(settings)


def override_recipe(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """A recipe with other values of some of its settings, by dotted key.

    Raises:
        SettingsError: as in `load_recipe`.
    """
    settings = recipe.model_dump(mode="json")
    for key, value in overrides.items():
        _set_dotted(settings, key, value)
    return _validate(settings)


def dump_recipe(recipe: Recipe) -> str:
    """A recipe as YAML with all its defaults, which `load_recipe` reads as the same recipe."""
    return yaml.dump(recipe.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Turn `KEY=VALUE` texts into overrides; a value is read as YAML, so `20` is a number and `[1, 2]` a list.

    Raises:
        SettingsError: a text has no `=` or no key.
    """
    overrides = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or not key:
            raise SettingsError(f"--set {assignment!r} has no key or no `=`; want KEY=VALUE, sft.trainer.max_steps=20")
        overrides[key.strip()] = yaml.load(value, Loader=_Loader)
    return overrides


def _share_length(settings: dict[str, Any]) -> None:
    """Let the data stage leave out what the SFT trainer would cut off, where the recipe does not say otherwise."""
    data, sft = settings.get("data"), settings.get("sft")
    trainer = sft.get("trainer") if isinstance(sft, dict) else None
    length = trainer.get("max_length") if isinstance(trainer, dict) else None
    if isinstance(data, dict) and isinstance(length, int) and data.get("max_tokens") is None:
        data["max_tokens"] = length


def _unshare(value: Any) -> Any:
    """Copy mappings and lists so that those that the file shares by an anchor can be overridden one by one."""
    if isinstance(value, dict):
        return {key: _unshare(item) for key, item in value.items()}
    return [_unshare(item) for item in value] if isinstance(value, list) else value


def _read_exponents(value: Any) -> Any:
    """Turn text such as `1e-5` into a number, also in lists and mappings; papermill's YAML 1.1 leaves it as text."""
    if isinstance(value, str):
        return float(value) if _EXPONENT.fullmatch(value) else value
    if isinstance(value, list):
        return [_read_exponents(item) for item in value]
    return {key: _read_exponents(item) for key, item in value.items()} if isinstance(value, dict) else value


def _read_schedule(settings: dict[str, Any]) -> None:
    """Put the numbers of a schedule's file in the place of its path, so that they travel with the settings."""
    kernel = settings.get("kernel")
    path = kernel.get("schedule") if isinstance(kernel, dict) else None
    if not isinstance(path, str):
        return
    try:
        kernel["schedule"] = asdict(load_schedule(_paths_root() / path))
    except ValueError as error:
        raise SettingsError(f"`kernel.schedule`: {error}; `fastmath replay-fit` writes one") from error


def _validate(settings: dict[str, Any]) -> Recipe:
    _read_schedule(settings)
    try:
        recipe = Recipe.model_validate(settings)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from error
    return recipe


def _set_dotted(settings: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    node: Any = settings
    for parent in parents:
        node = _descend(node, parent, key)
    if isinstance(node, list):
        node[_list_index(node, last, key)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise SettingsError(f"`{key}`: there is nothing below {'.'.join(parents)!r} to set")


def _descend(node: Any, part: str, key: str) -> Any:
    if isinstance(node, list):
        return node[_list_index(node, part, key)]
    if not isinstance(node, dict):
        raise SettingsError(f"`{key}`: {part!r} stands below a plain value; nothing can be set there")
    if node.get(part) is None:
        node[part] = {}
    return node[part]


def _list_index(node: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise SettingsError(f"`{key}`: {part!r} should be an index below {len(node)}, as a list stands there")
    return int(part)


def _explain(item: Any) -> str:
    location = [str(part) for part in item["loc"]]
    dotted = ".".join(location)
    if item["type"] == "extra_forbidden":
        return f"`{dotted}` is unknown{suggest(location[-1], _fields_at(item['loc'][:-1]))}"
    if item["type"] == "missing":
        return f"`{dotted}` is missing"
    if item["type"] == "value_error":
        message = str(item["ctx"]["error"])
        if message.startswith("is "):
            return f"`{dotted}` {message}"
        return message if not dotted or message.startswith("`") else f"`{dotted}`: {message}"
    return f"`{dotted}` is {item['input']!r}: {item['msg'].lower()}"


def _fields_at(location: Iterable[str | int]) -> list[str]:
    """Names of the fields of the section at `location`, looking through tuples and optional sections."""
    section: type[BaseModel] = Recipe
    for part in location:
        if isinstance(part, str) and part in section.model_fields:
            section = _section_in(section.model_fields[part].annotation) or section
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for part in typing.get_args(annotation) if (found := _section_in(part))), None)

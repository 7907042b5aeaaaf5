"""Checks of settings that are passed on to another library, against the type annotations of its dataclasses."""

import dataclasses
import enum
import functools
import sys
import types
import typing
from typing import Any

from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from fastmath.recipe.errors import suggest


def find_fault(kind: type, name: str, value: Any) -> str | None:
    """Check the name and the value of one setting of a library.

    Args:
        kind: dataclass of the library that takes the setting.
        name: name of the setting, which should be a field of the dataclass.
        value: value in the recipe.

    Returns:
        The fault, worded to follow the name of the setting in a sentence; None if there is no fault.

    Example: `find_fault(SFTConfig, "max_step", 5)` is "is no setting of SFTConfig; did you mean 'max_steps'?".
    """
    known = [field.name for field in dataclasses.fields(kind) if field.init]
    if name not in known:
        return f"is no setting of {kind.__name__}{suggest(name, known)}"
    choices = _enum_values(_read_annotation(kind, name))
    if choices:
        return None if value in choices else f"is {value!r}{suggest(str(value), choices)}"
    adapter = _type_adapter(kind, name)
    try:
        if adapter is not None:
            adapter.validate_python(value, strict=True)
    except ValidationError as error:
        return f"is {value!r}: {error.errors()[0]['msg'].lower()}"
    return None


def _read_annotation(kind: type, name: str) -> Any:
    """The type of a field; Any if its annotation names something that the module imports only for type checkers."""
    owner = next(each for each in kind.__mro__ if name in vars(each).get("__annotations__", {}))
    # Each field is resolved on its own: for the whole class, one name that cannot be resolved would fail all fields.
    field = types.SimpleNamespace(__annotations__={name: vars(owner)["__annotations__"][name]})
    try:
        return typing.get_type_hints(field, vars(sys.modules[owner.__module__]))[name]
    except NameError:
        return Any


def _enum_values(annotation: Any) -> list[str]:
    """Valid values of a setting that is annotated as an enum, or as a union of an enum and `str`; otherwise empty."""
    parts = typing.get_args(annotation) or (annotation,)
    return [
        str(member.value) for part in parts if isinstance(part, type) and issubclass(part, enum.Enum) for member in part
    ]


@functools.cache
def _type_adapter(kind: type, name: str) -> TypeAdapter[Any] | None:
    """A validator of one setting, made from its annotation; None if pydantic does not support the type."""
    annotation = _read_annotation(kind, name)
    # Second attempt without a configuration: pydantic refuses one for a model, which has its own.
    for config in (ConfigDict(arbitrary_types_allowed=True), None):
        try:
            return TypeAdapter(annotation, config=config)
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue
    return None

"""Settings that belong to another library, by its own names: held against the annotations of its dataclasses."""

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
    """What is wrong with one setting of a dataclass, as the end of a sentence about it; None where nothing is.

    Args:
        kind: the library's dataclass.
        name: one of its fields.
        value: what the recipe sets.

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
    """The type of a field; Any where its text names something that its module imports for type checkers alone."""
    owner = next(each for each in kind.__mro__ if name in vars(each).get("__annotations__", {}))
    # One by one: a single name that is not there would cost the types of all the others.
    field = types.SimpleNamespace(__annotations__={name: vars(owner)["__annotations__"][name]})
    try:
        return typing.get_type_hints(field, vars(sys.modules[owner.__module__]))[name]
    except NameError:
        return Any


def _enum_values(annotation: Any) -> list[str]:
    """Values of a setting whose annotation is an enum, or an enum and the text for it."""
    parts = typing.get_args(annotation) or (annotation,)
    return [
        str(member.value) for part in parts if isinstance(part, type) and issubclass(part, enum.Enum) for member in part
    ]


@functools.cache
def _type_adapter(kind: type, name: str) -> TypeAdapter[Any] | None:
    """What validates a setting by its annotation; None where pydantic knows no such type."""
    annotation = _read_annotation(kind, name)
    for config in (ConfigDict(arbitrary_types_allowed=True), None):  # a model's own configuration must not be replaced
        try:
            return TypeAdapter(annotation, config=config)
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue
    return None

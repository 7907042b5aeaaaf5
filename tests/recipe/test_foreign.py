"""Settings of other libraries' dataclasses, on a small one of every kind of annotation."""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from fastmath.recipe.foreign import find_fault

if TYPE_CHECKING:
    from elsewhere import Unknown


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Library:
    steps: int = 1
    rate: float | None = None
    colour: Colour | str = "red"
    mode: Literal["fast", "slow"] = "fast"
    parameters: dict[str, Any] | None = None
    hidden: "Unknown" = None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("steps", 3), ("rate", 3), ("rate", None), ("colour", "green"), ("mode", "slow")),
        *(("parameters", {"a": 1}), ("hidden", object())),
    ],
)
def test_a_value_that_fits_its_annotation_has_no_fault(name, value):
    assert find_fault(Library, name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("step", 3, "is no setting of Library; did you mean 'steps'?"),
        ("steps", "three", "is 'three': input should be a valid integer"),
        ("steps", True, "is True: input should be a valid integer"),
        ("steps", None, "is None: input should be a valid integer"),
        ("rate", "1.5", "is '1.5': input should be a valid number"),
        ("colour", "gren", "is 'gren'; did you mean 'green'?"),
        ("mode", "fats", "is 'fats': input should be 'fast' or 'slow'"),
        ("parameters", [1], "is [1]: input should be a valid dictionary"),
    ],
)
def test_a_fault_names_the_value_and_what_is_wanted(name, value, fault):
    assert find_fault(Library, name, value) == fault

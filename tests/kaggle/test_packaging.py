"""What `fastmath kernel build` writes, and what is refused before a push."""

import json
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fastmath.kaggle.metadata import DATASET, INSTANCE, KERNEL, MODEL, PLACES, PackageError, check_metadata, slugify
from fastmath.kaggle.packaging import (
    TEMPLATES,
    PackageOptions,
    build_package,
    fill_metadata,
    read_parameters,
    set_parameters,
)
from fastmath.kaggle.wheels import (
    IMAGE,
    LISTS,
    MACHINES,
    PYTHONS,
    WHEELS,
    find_interpreter,
    find_lists,
    kernel_requirements,
    read_python,
    read_wheel_list,
    require_built_for,
)
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe

SOURCE = REPOSITORY_FOLDER / TEMPLATES
LISTS_FOLDER = REPOSITORY_FOLDER / LISTS
METADATA = {name: json.loads((SOURCE / name).read_text()) for name in PLACES}
OWNED = PackageOptions(owner="jane-doe")


def write_package(folder: Path, options: PackageOptions = OWNED) -> Path:
    """A package's metadata and an empty notebook, without the wheel, which takes seconds to build."""
    for name, content in fill_metadata(METADATA, options).items():
        (folder / PLACES[name]).parent.mkdir(parents=True, exist_ok=True)
        (folder / PLACES[name]).write_text(json.dumps(content))
    (folder / "kernel.ipynb").write_text("{}")
    return folder


def change(folder: Path, name: str, **values: object) -> None:
    path = folder / PLACES[name]
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def parameters_of(notebook: Path) -> dict[str, object]:
    return read_parameters(json.loads(notebook.read_text()))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernel")
    model = folder / "checkpoint"
    model.mkdir()
    (model / "config.json").write_text("{}")
    options = PackageOptions(machine="cpu", python="3.11", owner="jane-doe", contest="aimo3", docker_image="image:1")
    own = load_recipe("nano", {"name": "mine", "kernel.samples": 5, "kernel.profile": "aimo3"})
    build_package(folder / "package", options, REPOSITORY_FOLDER, model, own)
    return folder / "package"


def test_a_built_package_has_what_kaggle_wants(built):
    assert check_metadata(built) == []


def test_the_wheel_carries_the_recipes(built):
    (wheel,) = (built / "dataset").glob("fastmath-*.whl")
    assert "fastmath/configs/fast_math_r1_14b.yaml" in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_lists_lie_beside_the_wheel(built):
    assert {WHEELS, IMAGE} <= {path.name for path in (built / "dataset").iterdir()}


def test_the_weights_are_linked_for_the_upload(built):
    assert (built / "model" / "weights" / "config.json").resolve() == (built.parent / "checkpoint" / "config.json")


def test_a_contest_sets_competition_and_machine(built):
    kernel = json.loads((built / PLACES[KERNEL]).read_text())
    assert (kernel["competition_sources"], kernel["machine_shape"]) == (
        ["ai-mathematical-olympiad-progress-prize-3"],
        "NvidiaH100",
    )


def test_a_contest_stands_in_the_notebook_s_parameters(built):
    overrides = parameters_of(built / "kernel.ipynb")["overrides"]
    assert overrides["kernel.profile"] == "aimo3"


def test_the_recipe_that_was_given_travels_and_is_what_the_notebook_reads(built):
    parameters = parameters_of(built / "kernel.ipynb")
    assert parameters["recipe"] == ""
    shipped = load_recipe(str(built / "dataset" / "recipe.yaml"), parameters["overrides"])
    assert (shipped.name, shipped.kernel.samples) == ("mine", 5)


def test_an_image_that_is_named_is_asked_for(built):
    assert json.loads((built / PLACES[KERNEL]).read_text())["docker_image"] == "image:1"


def test_no_image_is_asked_for_by_itself():
    assert "docker_image" not in fill_metadata(METADATA, OWNED)[KERNEL]


def test_one_gpu_is_not_asked_for_the_work_of_four(built):
    overrides = parameters_of(built / "kernel.ipynb")["overrides"]
    recipe = load_recipe("fast_math_r1_14b", overrides)
    assert recipe.kernel.engine.arguments["tensor_parallel_size"] == 1


def test_the_notebook_s_own_parameters_are_those_of_a_submission():
    values = parameters_of(SOURCE / "kernel.ipynb")
    assert values["recipe"] == "fast_math_r1_14b"
    assert (values["run_dir"], values["inputs"]) == ("/kaggle/working", "/kaggle/input")


def test_an_unknown_parameter_is_refused():
    notebook = {"cells": [{"metadata": {"tags": ["parameters"]}, "source": ['recipe: str = "nano"\n']}]}
    with pytest.raises(PackageError, match="no line `recipes"):
        set_parameters(notebook, {"recipes": "nano"})


def test_the_templates_without_an_owner_are_refused(tmp_path):
    (problem,) = check_metadata(write_package(tmp_path, PackageOptions()))
    assert "--owner" in problem


@pytest.mark.parametrize("owner", ["Jane-Doe", "jane doe", "jane/doe"])
def test_an_owner_that_no_address_has_is_refused_before_anything_is_written(owner, tmp_path):
    with pytest.raises(SettingsError, match=f"--owner is '{owner}'; want .* such as 'jane-?doe'"):
        build_package(tmp_path / "package", PackageOptions(owner=owner), REPOSITORY_FOLDER)
    assert not (tmp_path / "package").exists()


def test_a_policy_that_does_not_travel_is_refused(tmp_path, monkeypatch):
    (tmp_path / "own_rules.py").write_text(
        "from fastmath.policies.public import PublicPolicy\n\n\nRule = PublicPolicy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipe = load_recipe("nano", {"kernel.policy": "own_rules:Rule"})
    with pytest.raises(SettingsError, match="'own_rules:Rule' is of a module that does not travel"):
        build_package(tmp_path / "package", OWNED, REPOSITORY_FOLDER, recipe=recipe)


@pytest.mark.parametrize("name", PLACES)
def test_a_missing_metadata_file_is_named(name, tmp_path):
    write_package(tmp_path)
    (tmp_path / PLACES[name]).unlink()
    (problem,) = check_metadata(tmp_path)
    assert PLACES[name] in problem


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (KERNEL, {"title": "another title"}, "becomes the slug 'another-title'"),
        (KERNEL, {"id": "jane-doe"}, "no OWNER/SLUG"),
        (KERNEL, {"enable_internet": True}, "`enable_internet` is True"),
        (KERNEL, {"enable_gpu": "true"}, "want a bool"),
        (KERNEL, {"language": "r"}, "want 'python'"),
        (KERNEL, {"code_file": "missing.ipynb"}, "'missing.ipynb', which is not there"),
        (KERNEL, {"machine_shape": "NvidiaTeslaP100"}, "is retired"),
        (KERNEL, {"competition_sources": []}, "`competition_sources` is empty"),
        (KERNEL, {"dataset_sources": ["jane-doe/other"]}, "which holds the wheels"),
        (KERNEL, {"model_sources": ["jane-doe/fast-math-r1-14b/transformers/awq/1"]}, "Transformers/awq/VERSION"),
        (KERNEL, {"model_sources": ["jane-doe/fast-math-r1-14b/Transformers/awq"]}, "Transformers/awq/VERSION"),
        (KERNEL, {"docker_image_pinning_type": "newest"}, "want original or latest"),
        (DATASET, {"licenses": []}, "want exactly one"),
        (DATASET, {"id": "jane-doe/wheel", "title": "wheel"}, "want 6 to 50 characters"),
        (DATASET, {"subtitle": "too short"}, "want 20 to 80"),
        (MODEL, {"isPrivate": "true"}, "want a bool"),
        (MODEL, {"ownerSlug": "Jane Doe"}, "lowercase"),
        (INSTANCE, {"modelSlug": "another"}, "is of the model jane-doe/another"),
        (INSTANCE, {"framework": "vllm"}, "want transformers"),
        (INSTANCE, {"licenseName": ""}, "`licenseName` is empty"),
    ],
)
def test_what_kaggle_would_refuse_or_misread_is_named(name, values, message, tmp_path):
    write_package(tmp_path)
    change(tmp_path, name, **values)
    assert any(message in problem for problem in check_metadata(tmp_path))


def test_slugs_follow_from_titles():
    assert slugify("Fast Math R1, 14B!") == "fast-math-r1-14b"


def test_options_reach_every_file():
    options = PackageOptions(owner="jane-doe", model_title="My model", variation="awq-g128", model_version=3)
    filled = fill_metadata(METADATA, options)
    assert filled[KERNEL]["model_sources"] == ["jane-doe/my-model/Transformers/awq-g128/3"]
    assert (filled[MODEL]["slug"], filled[INSTANCE]["modelSlug"]) == ("my-model", "my-model")


def list_wheels(folder: Path) -> dict[str, str]:
    return read_wheel_list(folder / WHEELS)


LIST_FOLDERS = [LISTS_FOLDER / machine / python for machine in MACHINES for python in PYTHONS]
each_list = pytest.mark.parametrize("folder", LIST_FOLDERS, ids=lambda folder: f"{folder.parent.name} {folder.name}")


@each_list
def test_the_lists_agree_with_the_project_s_pins(folder):
    pins, listed = read_wheel_list(REPOSITORY_FOLDER / "requirements" / "constraints.txt"), list_wheels(folder)
    differing = {name for name in pins.keys() & listed.keys() if pins[name] != listed[name]}
    # What CUDA's torch and vLLM pin to versions of their own, and what vLLM pins for Python 3.12.
    assert differing <= {"triton", "apache-tvm-ffi"} | ({"setuptools"} if folder.name == "3.12" else set())


@each_list
def test_what_the_kernel_asks_for_itself_is_listed(folder):
    needed = kernel_requirements(folder.parent.name, REPOSITORY_FOLDER)
    assert {Requirement(line).name.lower().replace("_", "-") for line in needed} <= list_wheels(folder).keys()


@each_list
def test_no_list_holds_what_only_training_needs(folder):
    listed = list_wheels(folder) | read_wheel_list(folder / IMAGE)
    assert not {"trl", "deepspeed", "autoawq", "datasketch"} & listed.keys()


@each_list
def test_the_header_names_the_python(folder):
    assert read_python(folder / WHEELS) == read_python(folder / IMAGE) == folder.name


@each_list
def test_the_image_has_other_versions_than_the_kernel(folder):
    image, wheels = read_wheel_list(folder / IMAGE), list_wheels(folder)
    assert all(image[name] != wheels[name] for name in ("numpy", "pandas", "matplotlib", "protobuf"))


def test_lists_that_are_not_there_are_asked_for():
    with pytest.raises(PackageError, match=r"kernel pin --machine gpu --python 3\.9"):
        find_lists("gpu", "3.9", REPOSITORY_FOLDER)


def test_a_package_for_another_python_is_not_checked_under_this_one(built):
    require_built_for(built / "dataset", "3.11")
    with pytest.raises(PackageError, match=r"are for Python 3\.11, not 3\.12; build it again"):
        require_built_for(built / "dataset", "3.12")


def test_a_python_that_is_not_there_is_named():
    with pytest.raises(PackageError, match=r"no Python 3\.99 on this machine"):
        find_interpreter("3.99")

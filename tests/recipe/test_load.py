"""Reading recipes: overrides, and refusals that name the nearest valid key."""

import json
import subprocess
import sys

import pytest

from fastmath.policies.adaptive import Schedule
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import (
    configs_folder,
    dump_recipe,
    find_recipe,
    load_recipe,
    override_recipe,
    parse_assignments,
)

RECIPES = sorted(path.stem for path in configs_folder().glob("*.yaml"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_is_valid(name):
    assert load_recipe(name).name == name


def test_an_override_reaches_a_trainer_setting():
    assert load_recipe("nano", {"sft.trainer.max_steps": 20}).sft.trainer["max_steps"] == 20


def test_an_override_reaches_into_a_list_by_index():
    assert load_recipe("nano", {"grpo.rewards.0.weight": 2}).grpo.rewards[0].weight == 2


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("kernel.sample", "samples"),
        ("evalute.samples", "evaluate"),
        ("data.sources.0.pat", "path"),
        ("model.nano.hiden_size", "hidden_size"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_valid_one(key, nearest):
    with pytest.raises(SettingsError, match=f"did you mean '{nearest}'"):
        load_recipe("nano", {key: 1})


def test_an_unknown_recipe_is_refused_with_the_nearest_known_one():
    with pytest.raises(SettingsError, match="did you mean 'nano'"):
        load_recipe("nanno")


def test_a_wrong_type_is_refused_with_its_value():
    with pytest.raises(SettingsError, match=r"`evaluate.samples` is 'many'"):
        load_recipe("nano", {"evaluate.samples": "many"})


def test_an_unknown_prompt_is_refused_with_the_nearest_one():
    with pytest.raises(SettingsError, match=r"^`model.system_prompt` is 'boxd'; did you mean 'boxed'\?$"):
        load_recipe("nano", {"model.system_prompt": "boxd"})


def test_overrides_that_are_no_mapping_are_refused_with_the_papermill_syntax():
    with pytest.raises(SettingsError, match="want a mapping of dotted keys"):
        load_recipe("nano", "{'seed': 1}")


def test_a_setting_that_the_run_manages_is_refused():
    with pytest.raises(SettingsError, match=r"`sft.trainer.output_dir` is set by the run itself"):
        load_recipe("nano", {"sft.trainer.output_dir": "x"})


@pytest.mark.parametrize("value", ["1e-5", "1.0e-5", "1E-05", "+1e-5", "10e-6"])
def test_a_number_with_an_exponent_is_a_number_in_every_place(value, tmp_path):
    recipe = find_recipe("nano").read_text().replace("learning_rate: 4.0e-4", f"learning_rate: {value}")
    (tmp_path / "mine.yaml").write_text(recipe)
    key = "grpo.trainer.learning_rate"
    found = [
        load_recipe(str(tmp_path / "mine.yaml")),
        load_recipe("nano", {key: value}),  # as papermill's YAML 1.1 hands it over
        load_recipe("nano", {"grpo.trainer": {"learning_rate": value}}),
        load_recipe("nano", parse_assignments([f"{key}={value}"])),
    ]
    assert [each.grpo.trainer["learning_rate"] for each in found] == [1e-5] * 4


@pytest.mark.parametrize("path", ["12e4", "1e-5", "plain"])
def test_a_recipe_is_written_as_it_is_read_also_where_text_looks_like_a_number(path, tmp_path):
    recipe = load_recipe("nano", {"data.sources.0.licence": "x"})
    source = recipe.data.sources[0].model_copy(update={"licence": path})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"sources": (source,)})})
    (tmp_path / "config.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(str(tmp_path / "config.yaml")) == recipe


@pytest.mark.parametrize("value", ["e5", "1e", "0x1e5", "1e5m"])
def test_text_that_only_looks_like_a_number_stays_text(value):
    assert load_recipe("nano", {"name": value}).name == value


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"evaluate.problems": 251},
            r"is 251, and `data.nano.test_problems` makes 250 .* 250 at most",
        ),
        ({"quantize.group_size": 48}, r"`quantize.group_size` is 48; want one of 32, 64, 128, .* the nearest is 32"),
        ({"quantize.zero_point": False}, r"`quantize.zero_point` is false; want true, since AutoAWQ"),
        ({"model.nano.hidden_size": 96, "quantize.group_size": 64}, r"does not divide `model.nano.hidden_size`, 96"),
    ],
    ids=["problems", "group size", "zero point", "width"],
)
def test_settings_that_contradict_each_other_are_refused(overrides, message):
    with pytest.raises(SettingsError, match=message):
        load_recipe("nano", overrides)


def test_reading_a_recipe_imports_nothing_heavy():
    heavy = ("torch", "trl", "vllm", "sympy", "matplotlib", "transformers", "polars", "numpy")
    code = f"""
import sys
from fastmath.recipe.load import load_recipe
load_recipe("nano")
print([name for name in {heavy} if name in sys.modules])
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_assignments_are_read_as_yaml():
    assert parse_assignments(["a.b=1", "c=[1, 2]", "d=x"]) == {"a.b": 1, "c": [1, 2], "d": "x"}


def test_an_assignment_without_a_value_is_refused():
    with pytest.raises(SettingsError, match="want KEY=VALUE"):
        parse_assignments(["seed"])


def test_a_key_below_a_plain_value_is_refused():
    with pytest.raises(SettingsError, match="nothing below"):
        load_recipe("nano", {"seed.x": 1})


def test_an_override_below_an_anchor_changes_one_place_alone():
    # nano.yaml gives both trainings the same `environment` by an anchor
    recipe = load_recipe("nano", {"sft.environment.A": "1"})
    assert ("A" in recipe.sft.environment, "A" in recipe.grpo.environment) == (True, False)


NUMBERS = {"risk": 0.2, "patience": 1.0, "first_wave": 0.5, "give_up": 2.0}


@pytest.fixture
def schedule(tmp_path):
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"made_by": "fastmath replay-fit"} | NUMBERS))
    return path


def test_the_numbers_of_a_schedule_travel_with_the_recipe(schedule, tmp_path):
    recipe = load_recipe("nano", {"kernel.schedule": str(schedule)})
    assert recipe.kernel.schedule == Schedule(**NUMBERS)
    schedule.unlink()
    kept = tmp_path / "kept.yaml"
    kept.write_text(dump_recipe(recipe))
    assert load_recipe(str(kept)).kernel.schedule == Schedule(**NUMBERS)
    assert override_recipe(recipe, {"kernel.samples": 8}).kernel.schedule == Schedule(**NUMBERS)


def test_a_schedule_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match=r"`kernel.schedule`: .*nothing.json is no schedule: .*replay-fit` writes"):
        load_recipe("nano", {"kernel.schedule": "/nothing.json"})


def test_a_schedule_with_an_unknown_number_is_refused():
    with pytest.raises(SettingsError, match="the schedule has the unknown 'floor'"):
        load_recipe("nano", {"kernel.schedule": NUMBERS | {"floor": 1.0}})


def test_a_schedule_is_for_the_kernels_own_policy_alone(schedule):
    with pytest.raises(SettingsError, match=r"`kernel\.policy` is 'aimo3'; leave one of them out"):
        load_recipe("nano", {"kernel.schedule": str(schedule), "kernel.policy": "aimo3"})

"""Reading recipes: overrides, and refusals that name the nearest valid key."""

import pytest

from fastmath.recipe.load import SettingsError, configs_folder, load_recipe, parse_assignments

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
        ("sft.trainer.max_step", "max_steps"),
        ("grpo.trainer.num_generation", "num_generations"),
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


def test_overrides_that_are_no_mapping_are_refused_with_the_papermill_syntax():
    with pytest.raises(SettingsError, match="want a mapping of dotted keys"):
        load_recipe("nano", "{'seed': 1}")


def test_an_unknown_policy_is_told_the_known_ones():
    with pytest.raises(SettingsError, match=r"is 'ful'; want one of .*full"):
        load_recipe("nano", {"kernel.policy": "ful"})


def test_a_setting_that_the_run_manages_is_refused():
    with pytest.raises(SettingsError, match=r"`sft.trainer.output_dir` is set by the run itself"):
        load_recipe("nano", {"sft.trainer.output_dir": "x"})


def test_assignments_are_read_as_yaml():
    assert parse_assignments(["a.b=1", "c=[1, 2]", "d=x"]) == {"a.b": 1, "c": [1, 2], "d": "x"}


def test_an_assignment_without_a_value_is_refused():
    with pytest.raises(SettingsError, match="want KEY=VALUE"):
        parse_assignments(["seed"])


def test_a_key_below_a_plain_value_is_refused():
    with pytest.raises(SettingsError, match="nothing below"):
        load_recipe("nano", {"seed.x": 1})

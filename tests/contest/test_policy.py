"""The policy that a recipe names."""

import pytest

from fastmath.contest.policy import find_policy
from fastmath.policies.public import find_policies
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import configs_folder, load_recipe


@pytest.mark.parametrize("name", sorted(path.stem for path in configs_folder().glob("*.yaml")))
def test_every_shipped_recipe_names_a_policy_that_there_is(name):
    assert find_policy(load_recipe(name).kernel.policy) in find_policies().values()


def test_an_unknown_policy_is_told_the_nearest_one():
    with pytest.raises(SettingsError, match=r"`kernel.policy` is 'ful'; did you mean 'full'"):
        find_policy("ful")


OWN = """
from dataclasses import dataclass

from fastmath.policies.public import Agreement, PublicPolicy


@dataclass(frozen=True)
class TwoAgree(Agreement):
    votes: int = 2


@dataclass(frozen=True)
class Patient(PublicPolicy):
    def __init__(self, share: float) -> None:
        super().__init__()


class Other:
    pass
"""


@pytest.fixture
def _own_module(tmp_path, monkeypatch):
    (tmp_path / "own_policies.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_own_module")
def test_a_policy_of_ones_own_is_named_by_its_import_path():
    assert find_policy("own_policies:TwoAgree").votes == 2


@pytest.mark.usefixtures("_own_module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_policy:TwoAgree", r"`kernel.policy` 'own_policy:TwoAgree': importing 'own_policy' failed"),
        ("own_policies:TwoAgrees", "has no 'TwoAgrees'; did you mean 'TwoAgree'"),
        ("own_policies:Other", r"want a class that has the method `plan` of `fastmath\.policies\.plan\.Policy`"),
        ("fastmath.policies.plan:Policy", "want a class that has the method `plan`"),
        ("own_policies:Patient", "'share'; want a class whose fields all have defaults"),
        (":TwoAgree", "is no import path"),
    ],
)
def test_what_an_import_path_cannot_mean_is_refused(name, message):
    with pytest.raises(SettingsError, match=message):
        find_policy(name)

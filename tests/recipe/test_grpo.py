"""Settings of GRPO that cannot work."""

import pytest
from pydantic import ValidationError

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import PassRateSettings
from fastmath.recipe.load import load_recipe


@pytest.mark.parametrize("bounds", [{"above": 0.5, "below": 0.5}, {"above": 0.3, "below": 0.45}])
def test_bounds_between_which_no_share_of_samples_lies_are_refused(bounds):
    # of 4 samples: 0, 0.25, 0.5, 0.75 and 1
    with pytest.raises(ValidationError, match="no share of 4 samples lies between"):
        PassRateSettings(samples=4, **bounds)


def test_two_samples_suffice_for_a_share_between_never_and_always():
    assert PassRateSettings(samples=2).samples == 2


def test_a_validation_without_problems_is_refused():
    with pytest.raises(SettingsError, match=r"`data\.validation_path`.*`grpo\.validation: null`"):
        load_recipe("nano", {"data.nano.validation_problems": 0})

"""Rewards from outside the project, which a recipe names by their import path."""

import re
from pathlib import Path

import pytest

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import RewardSettings
from fastmath.recipe.load import load_recipe
from fastmath.training.judge import Judge
from fastmath.training.rewards import build_rewards
from fastmath.training.trainers import check_trainers

BROKEN = """
import no_such_dependency_of_ours as _absent
"""
REWARDS = """
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from fastmath.training.reward_base import GroupReward, Reward, Rollout


@dataclass
class FewWords(Reward):
    __name__: ClassVar[str] = "few_words"
    words: int
    spared: list[str] = field(default_factory=list)

    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [float(len(rollout.text.split()) <= self.words) for rollout in rollouts]


@dataclass
class Shortest(GroupReward):
    __name__: ClassVar[str] = "shortest"

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        return [float(rollout.length == min(other.length for other in group)) for rollout in group]


class Nameless(Reward):
    def score(self, rollouts: Sequence[Rollout]) -> list[float]:
        return [0.0 for _ in rollouts]


class Other:
    pass
"""


@pytest.fixture(autouse=True)
def _own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_rewards.py").write_text(REWARDS)
    (tmp_path / "own_broken.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_reward_of_ones_own_is_imported_and_called_like_any_other() -> None:
    settings = RewardSettings(name="own_rewards:FewWords", parameters={"words": 2})
    reward = build_rewards([settings], 2, Judge())[0]
    completions = ["So \\boxed{7}.</think>", "And so it is \\boxed{7}.</think>"]
    assert reward.__name__ == "few_words"
    assert reward(completions=completions, completion_ids=[[0], [0]], answer=["7", "7"]) == [1.0, 0.0]


def test_a_reward_of_ones_own_that_compares_within_groups_wants_whole_groups() -> None:
    # 8 processes x 2 x 2 = 32 completions are 4 groups of 8, but each process would see half of one.
    overrides = {
        "grpo.trainer.per_device_train_batch_size": 2,
        "grpo.trainer.gradient_accumulation_steps": 2,
        "grpo.rewards": [{"name": "accuracy"}, {"name": "own_rewards:Shortest"}],
    }
    with pytest.raises(SettingsError, match=r"do not divide into groups of 8 .*: `shortest` would compare"):
        check_trainers(load_recipe("fast_math_r1_14b", overrides))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_reward:FewWords", "importing 'own_reward' failed (No module named 'own_reward'); install the module, or"),
        ("own_broken:FewWords", "importing 'own_broken' failed (No module named 'no_such_dependency_of_ours')"),
        ("own_rewards:FewWord", "'own_rewards' has no 'FewWord'; did you mean 'FewWords'?"),
        ("json:FewWords", "'json' has no 'FewWords'; want a subclass of `fastmath.training.reward_base.Reward`"),
        ("own_rewards:Other", "own_rewards.Other'>; want a subclass of `fastmath.training.reward_base.Reward`"),
        ("own_rewards:GroupReward", "GroupReward'>; want a subclass of `fastmath.training.reward_base.Reward`"),
        ("own_rewards:Nameless", "has no `__name__`; set this class variable to the name of its metrics"),
        ("own_rewards:FewWords", "wants 'words'; set it in its `parameters`"),
        (":FewWords", "':FewWords' is no import path; want a subclass of `fastmath.training.reward_base.Reward`"),
        ("own_rewards.FewWords", "one of your own is named `package.module:ClassName`, with a colon"),
    ],
)
def test_what_an_import_path_cannot_mean_is_refused(name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        build_rewards([RewardSettings(name=name)], 2)

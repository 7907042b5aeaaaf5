"""Whether TRL knows the settings of a recipe's trainers, and we its rewards."""

import dataclasses

from trl import GRPOConfig, SFTConfig

from fastmath.config import Recipe
from fastmath.recipes import SettingsError, suggest
from fastmath.training.rewards import build_rewards


def check_training_settings(recipe: Recipe) -> None:
    """Refuse unknown trainer settings, rewards or reward parameters, before anything is loaded.

    Raises:
        SettingsError: with the nearest valid name.
    """
    for section, trainer, config in (
        ("sft", recipe.sft.trainer, SFTConfig),
        ("grpo", recipe.grpo.trainer, GRPOConfig),
    ):
        known = [field.name for field in dataclasses.fields(config) if field.init]
        for key in trainer:
            if key not in known:
                raise SettingsError(
                    f"`{section}.trainer.{key}` is no setting of {config.__name__}{suggest(key, known)}"
                )
    build_rewards(recipe.grpo.rewards, recipe.grpo.trainer.get("num_generations", GRPOConfig.num_generations))

"""Whether TRL knows the settings of a recipe's trainers, and we its rewards."""

import dataclasses

from trl import GRPOConfig, SFTConfig

from fastmath.recipe.sections import Recipe
from fastmath.recipe.load import SettingsError, suggest
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
    build_rewards(recipe.grpo.rewards, _trainer_setting(recipe, "num_generations"))
    _refuse_split_groups(recipe)


def _refuse_split_groups(recipe: Recipe) -> None:
    """A reward within the group needs whole groups in each process; TRL itself only asks that all together divide."""
    trainer = recipe.grpo.trainer
    generations = _trainer_setting(recipe, "num_generations")
    per_device = _trainer_setting(recipe, "per_device_train_batch_size")
    steps = trainer.get("steps_per_generation", _trainer_setting(recipe, "gradient_accumulation_steps"))
    # By `generation_batch_size` the number of processes decides; the reward itself refuses what does not divide.
    by_batch = "generation_batch_size" in trainer
    grouped = any(reward.name == "group_length" for reward in recipe.grpo.rewards)
    if grouped and not by_batch and per_device * steps % generations:
        raise SettingsError(
            f"each process would judge {per_device} x {steps} = {per_device * steps} completions "
            "(`grpo.trainer.per_device_train_batch_size` x `steps_per_generation`), which do not divide into groups of "
            f"{generations} (`num_generations`): `group_length` would compare parts of groups; make it a multiple"
        )


def _trainer_setting(recipe: Recipe, name: str) -> int:
    return recipe.grpo.trainer.get(name, getattr(GRPOConfig, name))

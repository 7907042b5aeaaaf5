"""Refusing what contradicts GRPO's sampling beyond TRL's: oversampling, and the pass rates of prompts."""

from trl import GRPOConfig

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.sections import Recipe


def refuse_mixed_scales(recipe: Recipe, config: GRPOConfig) -> None:
    """Refuse oversampling where advantages depend on the batch in which a group was sampled, or of too many groups.

    Raises:
        SettingsError: so it is.
    """
    if recipe.grpo.oversampling is None:
        return
    whole_batch = [
        f"`{name}: {value}`"
        for name, value in (("scale_rewards", "batch"), ("multi_objective_aggregation", "normalize_then_sum"))
        if getattr(config, name) == value
    ]
    if whole_batch:
        raise SettingsError(
            f"`grpo.trainer` has {whole_batch[0]}, which divides advantages by the spread of a whole batch, and "
            "`grpo.oversampling` puts groups of several batches together, whose advantages would differ in scale; want "
            "`scale_rewards: group` or `none` with `multi_objective_aggregation: sum_then_normalize`"
        )
    groups, wanted = config.generation_batch_size // config.num_generations, recipe.grpo.oversampling.groups
    if wanted is not None and wanted > groups:
        raise SettingsError(
            f"`grpo.oversampling.groups` is {wanted}, and a generation batch has {groups} groups "
            f"(`generation_batch_size` / `num_generations` = {config.generation_batch_size} / "
            f"{config.num_generations}); want {groups} at most"
        )


def refuse_short_context(recipe: Recipe, config: GRPOConfig) -> None:
    """Refuse pass rates of completions that do not fit into the context of the evaluation's engine.

    Raises:
        SettingsError: so it is.
    """
    length = recipe.evaluate.engine.arguments.get("max_model_len")
    if recipe.grpo.pass_rates is not None and isinstance(length, int) and length <= config.max_completion_length:
        raise SettingsError(
            f"`grpo.pass_rates` samples completions of up to {config.max_completion_length} tokens "
            f"(`grpo.trainer.max_completion_length`) on the engine of `evaluate`, whose "
            f"`engine.arguments.max_model_len` is {length}; want room for these and the prompt, too"
        )

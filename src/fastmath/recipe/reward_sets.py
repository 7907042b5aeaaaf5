"""Sets of GRPO's reward functions that a recipe chooses by name: `grpo: {rewards: paper}`."""

from collections.abc import Mapping, Sequence
from typing import Any

LENGTH = "max_completion_length"
"""Stands in a set for the recipe's own `grpo.trainer.max_completion_length`, in tokens."""
REWARD_SETS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    # Fast-Math-R1 (arXiv 2507.08267): equal weights; lengths in tokens, and the group length within one prompt.
    "paper": (
        {"name": "boxed_before_think_end"},
        {"name": "cosine", "parameters": {"max_length": LENGTH}},
        {"name": "group_length"},
    ),
}
"""The rewards of each set, as a recipe lists them."""


def list_rewards(name: str, max_completion_length: int) -> list[dict[str, Any]]:
    """The rewards of a set, for completions of at most this many tokens.

    Raises:
        ValueError: if there is no set of this name.
    """
    if name not in REWARD_SETS:
        raise ValueError(
            f"`grpo.rewards` is {name!r}; want one of {', '.join(sorted(REWARD_SETS))}, or a list of rewards"
        )
    return [_fill(reward, max_completion_length) for reward in REWARD_SETS[name]]


def _fill(reward: Mapping[str, Any], length: int) -> dict[str, Any]:
    parameters = {key: length if value == LENGTH else value for key, value in reward.get("parameters", {}).items()}
    return {**reward, "parameters": parameters}

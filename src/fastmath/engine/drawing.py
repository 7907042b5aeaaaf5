"""Samples and how they are drawn, whatever draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastmath.prompts import GenerationEnd


@dataclass(frozen=True)
class Drawing:
    """How samples are drawn.

    Attributes:
        token_budget: most tokens per sample.
        temperature: sampling temperature.
        top_p: probability mass from which each token is sampled; 1.0 keeps all tokens.
        min_p: least probability of a token, as a share of the likeliest one's; 0.0 keeps all tokens.
        end: where a sample ends; its stop token or text is part of it.
    """

    token_budget: int
    temperature: float
    top_p: float
    min_p: float
    end: GenerationEnd


@dataclass(frozen=True)
class Drawn:
    """One sample.

    Attributes:
        text: generated text, its stop token and other special tokens included.
        tokens: number of generated tokens.
        reasoning_tokens: number of those up to the end of the reasoning, this included.
        finish_reason: `stop` if the sample ended by itself, `length` if it reached its token budget.
    """

    text: str
    tokens: int
    reasoning_tokens: int
    finish_reason: str


def require_room(prompts: Sequence[Sequence[int]], token_budget: int, context: int) -> None:
    """Refuse prompts that leave no room for the token budget in the model's context.

    Args:
        prompts: token ids of each prompt.
        token_budget: largest number of generated tokens per sample.
        context: length of the model's context, in tokens.

    Raises:
        ValueError: the longest prompt and the token budget together are longer than the context.
    """
    longest = max(len(prompt) for prompt in prompts)
    if longest + token_budget > context:
        raise ValueError(
            f"the longest prompt has {longest} tokens and `evaluate.token_budget` is {token_budget}, together more "
            f"than the context of {context}; lower the budget or raise `evaluate.engine.arguments.max_model_len`"
        )

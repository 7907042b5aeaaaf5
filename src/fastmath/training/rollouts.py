"""Where the completions of GRPO end: given to TRL for the training alone, and kept out of the weights that it saves."""

import contextlib
from collections.abc import Iterator

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig

from fastmath.prompts import Ending, GenerationEnd, find_ending
from fastmath.recipe.errors import SettingsError


def list_end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ending: Ending) -> list[int]:
    """The tokens at which a generation ends: those of `ending`, and the model's and the tokenizer's own."""
    own = model.generation_config.eos_token_id
    known = [] if own is None else [own] if isinstance(own, int) else list(own)
    return list(dict.fromkeys([*ending.token_ids, *known, tokenizer.eos_token_id]))


@contextlib.contextmanager
def end_rollouts(
    config: GRPOConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, end: GenerationEnd
) -> Iterator[None]:
    """Let completions end at `end` in a GRPOTrainer that is built within this context.

    TRL reads the model's end tokens once, when it is built, for generation, for masking and for its share of clipped
    completions (trl/trainer/grpo_trainer.py, `eos_token_ids`). vLLM is told by each request.

    Args:
        config: the trainer's configuration, which gets vLLM's stop tokens.
        model: the model, whose generation config has the further end tokens within the context alone.
        tokenizer: its tokenizer.
        end: where the completions end.

    Raises:
        SettingsError: a completion would have to end at a text of several tokens, which only vLLM can do.
    """
    ending = find_ending(tokenizer, end)
    if ending.strings and not config.use_vllm:
        raise SettingsError(
            f"`grpo.rollouts.generation_end` is {end!r}, and {ending.strings[0]} is several tokens for this tokenizer; "
            "want `end_of_text`, or `grpo.trainer.use_vllm: true`, which can stop at a text"
        )
    if config.use_vllm and (ending.token_ids or ending.strings):
        config.generation_kwargs = (
            ending.stops | {"include_stop_str_in_output": True} | (config.generation_kwargs or {})
        )
    own = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = list_end_tokens(model, tokenizer, ending)
    try:
        yield
    finally:
        model.generation_config.eos_token_id = own

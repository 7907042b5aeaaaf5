"""vLLM's offline engine: many samples of many prompts at once, in the process that asks for them."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from vllm import LLM, SamplingParams, TokensPrompt
from vllm.distributed import cleanup_dist_env_and_memory

from fastmath.engine.expand import find_runnable_checkpoint
from fastmath.recipe.sections import EngineSettings


class TokenizerMismatchError(RuntimeError):
    """vLLM turns text into other token ids than the tokenizer that the model was trained with."""


@dataclass(frozen=True)
class Draw:
    """One sample: the token ids of its prompt, and the seed of its random numbers."""

    prompt: Sequence[int]
    seed: int


@dataclass(frozen=True)
class Drawn:
    """What came of a `Draw`: text with its end token, generated tokens, and `stop` or `length` for why it ended."""

    text: str
    tokens: int
    finish_reason: str


@contextlib.contextmanager
def open_batch_engine(
    model_folder: Path, settings: EngineSettings, seed: int, probes: Sequence[str] = ()
) -> Iterator[tuple[LLM, PreTrainedTokenizerBase]]:
    """Load a checkpoint into vLLM, and free its memory at the end.

    Args:
        model_folder: checkpoint with its tokenizer; an AWQ one is expanded where there are no kernels for it.
        settings: engine arguments by vLLM's own names.
        seed: of the engine.
        probes: texts on which vLLM's tokenizer and the checkpoint's have to agree.

    Raises:
        TokenizerMismatchError: they do not.
    """
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    llm = LLM(**batch_arguments(find_runnable_checkpoint(model_folder), settings, seed))
    try:
        require_same_ids(tokenizer, llm.get_tokenizer(), probes)
        yield llm, tokenizer
    finally:
        del llm
        cleanup_dist_env_and_memory()


def batch_arguments(model_folder: Path, settings: EngineSettings, seed: int) -> dict[str, Any]:
    """Arguments of `vllm.LLM` for one model.

    A recipe's `dtype` is meant for ordinary weights; a quantised checkpoint keeps the one that it was written with,
    which is what its kernels take. On a CPU prompts are not processed in chunks: after a chunk vLLM rewinds the random
    generator of a seeded sample, which CPU generators cannot do.
    """
    arguments: dict[str, Any] = {"model": str(model_folder), "seed": seed}
    if not torch.cuda.is_available():
        arguments["enable_chunked_prefill"] = False
    arguments |= settings.arguments
    config = json.loads((model_folder / "config.json").read_text())
    if "quantization_config" in config:
        arguments.pop("dtype", None)
    return arguments


def draw_samples(
    llm: LLM, draws: Sequence[Draw], *, token_budget: int, temperature: float, top_p: float, progress: Any
) -> Iterator[Drawn]:
    """Draw every sample, at most `token_budget` tokens each, and yield them in order.

    `progress` is a tqdm-like class that vLLM shows its progress in.
    """
    parameters = [
        SamplingParams(
            seed=draw.seed,
            temperature=temperature,
            top_p=top_p,
            max_tokens=token_budget,
            # The end of the reasoning is a stop token; without these it would be missing from the text.
            include_stop_str_in_output=True,
            skip_special_tokens=False,
        )
        for draw in draws
    ]
    prompts = [TokensPrompt(prompt_token_ids=list(draw.prompt)) for draw in draws]
    for result in llm.generate(prompts, parameters, use_tqdm=progress):
        completion = result.outputs[0]
        yield Drawn(completion.text, len(completion.token_ids), completion.finish_reason)


def require_same_ids(tokenizer: Any, engine_tokenizer: Any, texts: Sequence[str]) -> None:
    """Refuse an engine whose tokenizer encodes or decodes any of `texts` differently.

    Raises:
        TokenizerMismatchError: it does.
    """
    for text in texts:
        wanted, found = tokenizer.encode(text), engine_tokenizer.encode(text)
        if wanted != found or tokenizer.decode(wanted) != engine_tokenizer.decode(found):
            raise TokenizerMismatchError(
                f"AutoTokenizer gives {wanted[:12]} for {text[:60]!r} and vLLM's tokenizer {found[:12]}; want the same "
                "ids: save the tokenizer as the class that the model's configuration names"
            )


def require_room(prompts: Sequence[Sequence[int]], token_budget: int, context: int) -> None:
    """Refuse prompts that leave less than the token budget of the model's context; all counts in tokens.

    Raises:
        ValueError: the longest prompt does.
    """
    longest = max(len(prompt) for prompt in prompts)
    if longest + token_budget > context:
        raise ValueError(
            f"the longest prompt has {longest} tokens and `evaluate.token_budget` is {token_budget}, together more "
            f"than the context of {context}; lower the budget or raise `evaluate.engine.arguments.max_model_len`"
        )

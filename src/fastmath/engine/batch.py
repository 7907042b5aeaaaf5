"""vLLM's offline engine: many samples of many prompts at once, generated in the calling process."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from vllm import LLM, SamplingParams, TokensPrompt
from vllm.distributed import cleanup_dist_env_and_memory

from fastmath.engine.checkpoint import find_runnable_checkpoint
from fastmath.engine.machine import choose_arguments, read_capability
from fastmath.prompts import GenerationEnd, count_reasoning_tokens, find_ending
from fastmath.recipe.inference import EngineSettings


class TokenizerMismatchError(RuntimeError):
    """vLLM's tokenizer gives other token ids or texts than the tokenizer that the model was trained with."""


@dataclass(frozen=True)
class Draw:
    """One sample to draw: the token ids of its prompt, and the seed of its random numbers."""

    prompt: Sequence[int]
    seed: int


@dataclass(frozen=True)
class Drawn:
    """The sample that a `Draw` asked for.

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


class BatchEngine:
    """vLLM's offline engine on one checkpoint; a context manager that frees the memory at its end.

    Attributes:
        tokenizer: the checkpoint's own tokenizer.
    """

    def __init__(self, model_folder: Path, settings: EngineSettings, seed: int, probes: Sequence[str] = ()) -> None:
        """Load the checkpoint.

        Args:
            model_folder: checkpoint with its tokenizer; 4-bit weights are expanded where there are no kernels for them.
            settings: engine arguments by vLLM's own names.
            seed: seed of the engine; every sample also has its own, see `Draw`.
            probes: texts that vLLM's tokenizer and the checkpoint's must encode and decode alike; none by default.

        Raises:
            TokenizerMismatchError: the two tokenizers differ on one of the probes.
        """
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model_folder)
        self._llm: LLM | None = LLM(**batch_arguments(find_runnable_checkpoint(model_folder), settings, seed))
        try:
            require_same_ids(self.tokenizer, self._llm.get_tokenizer(), probes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the engine's memory, so that another one can be loaded."""
        self._llm = None  # the only reference; what it holds must be gone before vLLM collects
        cleanup_dist_env_and_memory()

    @property
    def context_tokens(self) -> int:
        """Most tokens of a prompt and its sample together."""
        return self._llm.model_config.max_model_len

    def draw(
        self,
        draws: Sequence[Draw],
        *,
        token_budget: int,
        temperature: float,
        top_p: float,
        min_p: float,
        end: GenerationEnd,
        progress: Any,
    ) -> list[Drawn]:
        """Draw every sample; the results stand in the order of `draws`.

        Args:
            draws: prompt and seed of each sample.
            token_budget: most tokens per sample.
            temperature: sampling temperature.
            top_p: probability mass from which each token is sampled; 1.0 keeps all tokens.
            min_p: least probability of a token, as a share of the likeliest one's; 0.0 keeps all tokens.
            end: where a sample ends; its stop token or text is part of it.
            progress: a class like `tqdm`, with which vLLM shows its progress.
        """
        ending = find_ending(self.tokenizer, end)
        parameters = [
            SamplingParams(
                seed=draw.seed,
                temperature=temperature,
                top_p=top_p,
                min_p=min_p,
                max_tokens=token_budget,
                **ending.stops,
                # The end of the reasoning is a stop token, which vLLM would otherwise leave out of the text.
                include_stop_str_in_output=True,
                skip_special_tokens=False,
            )
            for draw in draws
        ]
        prompts = [TokensPrompt(prompt_token_ids=list(draw.prompt)) for draw in draws]
        completions = [result.outputs[0] for result in self._llm.generate(prompts, parameters, use_tqdm=progress)]
        return [
            Drawn(
                text=each.text,
                tokens=len(each.token_ids),
                reasoning_tokens=count_reasoning_tokens(self.tokenizer, each.token_ids),
                finish_reason=each.finish_reason,
            )
            for each in completions
        ]


def batch_arguments(model_folder: Path, settings: EngineSettings, seed: int) -> dict[str, Any]:
    """Arguments of `vllm.LLM` for one model: those that the kernel would have, see `choose_arguments`.

    A recipe's `dtype` applies to ordinary weights; a quantised checkpoint keeps the dtype that it was saved with, which
    its kernels require. Chunked prefill is off on a CPU: after each chunk vLLM rewinds the random generator of a seeded
    sample, and CPU generators do not support that.
    """
    capability = read_capability()
    arguments: dict[str, Any] = {"model": str(model_folder), "seed": seed}
    if capability is None:
        arguments["enable_chunked_prefill"] = False
    arguments |= choose_arguments(settings.arguments, capability)
    config = json.loads((model_folder / "config.json").read_text())
    if "quantization_config" in config:
        arguments.pop("dtype", None)
    return arguments


def require_same_ids(tokenizer: Any, engine_tokenizer: Any, texts: Sequence[str]) -> None:
    """Refuse an engine whose tokenizer encodes or decodes any of `texts` differently from the checkpoint's.

    Raises:
        TokenizerMismatchError: one of the texts gives different token ids, or these decode differently.
    """
    for text in texts:
        wanted, found = tokenizer.encode(text), engine_tokenizer.encode(text)
        if wanted != found or tokenizer.decode(wanted) != engine_tokenizer.decode(found):
            raise TokenizerMismatchError(
                f"AutoTokenizer gives {wanted[:12]} for {text[:60]!r} and vLLM's tokenizer {found[:12]}; want the same "
                "ids: save the tokenizer as the class that the model's configuration names"
            )


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

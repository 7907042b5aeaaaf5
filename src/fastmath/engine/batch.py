"""vLLM's offline engine: many samples of many prompts at once, generated in the calling process."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from vllm import LLM, CompletionOutput, SamplingParams, TokensPrompt
from vllm.distributed import cleanup_dist_env_and_memory
from vllm.sampling_params import RequestOutputKind

from fastmath.engine.checkpoint import find_runnable_checkpoint
from fastmath.engine.drawing import Drawing, Drawn
from fastmath.engine.machine import choose_arguments, read_capability
from fastmath.prompts import count_reasoning_tokens, find_ending
from fastmath.recipe.inference import EngineSettings


class TokenizerMismatchError(RuntimeError):
    """vLLM's tokenizer gives other token ids or texts than the tokenizer that the model was trained with."""


class BatchEngine:
    """vLLM's offline engine on one checkpoint; a context manager that frees the memory at its end.

    Its random numbers are those of the whole batch: a seed for each sample would make vLLM draw row by row, and without
    its fast samplers on a GPU. So the same seed, prompts and order give the same samples, and another order others.

    Attributes:
        tokenizer: the checkpoint's own tokenizer.
    """

    def __init__(self, llm: LLM, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take an engine that has been loaded, such as that of a training."""
        self.tokenizer = tokenizer
        self._llm: LLM | None = llm

    @classmethod
    def load(cls, model_folder: Path, settings: EngineSettings, seed: int, probes: Sequence[str] = ()) -> Self:
        """Load a checkpoint.

        Args:
            model_folder: checkpoint with its tokenizer; 4-bit weights are expanded where there are no kernels for them.
            settings: engine arguments by vLLM's own names.
            seed: seed of the random numbers.
            probes: texts that vLLM's tokenizer and the checkpoint's must encode and decode alike; none by default.

        Raises:
            TokenizerMismatchError: the two tokenizers differ on one of the probes.
        """
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        engine = cls(LLM(**batch_arguments(find_runnable_checkpoint(model_folder), settings, seed)), tokenizer)
        try:
            require_same_ids(tokenizer, engine._llm.get_tokenizer(), probes)
        except BaseException:
            engine.close()
            raise
        return engine

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

    def draw(self, prompts: Sequence[Sequence[int]], drawing: Drawing) -> Iterator[tuple[int, Drawn]]:
        """Draw one sample of every prompt, and yield each as soon as it is finished, with its prompt's position.

        Args:
            prompts: token ids of each prompt; a prompt that stands there n times is sampled n times.
            drawing: how they are drawn.
        """
        parameters = SamplingParams(
            temperature=drawing.temperature,
            top_p=drawing.top_p,
            min_p=drawing.min_p,
            max_tokens=drawing.token_budget,
            **find_ending(self.tokenizer, drawing.end).stops,
            # The end of the reasoning is a stop token, which vLLM would otherwise leave out of the text.
            include_stop_str_in_output=True,
            skip_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        engine = self._llm.llm_engine
        # `LLM.generate` runs the same loop and returns after the last sample, up to hours after the first.
        names = [str(position) for position in range(len(prompts))]
        for name, prompt in zip(names, prompts, strict=True):
            engine.add_request(name, TokensPrompt(prompt_token_ids=list(prompt)), parameters)
        try:
            while engine.has_unfinished_requests():
                for result in engine.step():
                    if result.finished:
                        yield int(result.request_id), self._read(result.outputs[0])
        finally:  # of a caller that wants no more
            engine.abort_request(names)

    def _read(self, completion: CompletionOutput) -> Drawn:
        return Drawn(
            text=completion.text,
            tokens=len(completion.token_ids),
            reasoning_tokens=count_reasoning_tokens(self.tokenizer, completion.token_ids),
            finish_reason=completion.finish_reason,
        )


def batch_arguments(model_folder: Path, settings: EngineSettings, seed: int) -> dict[str, Any]:
    """Arguments of `vllm.LLM` for one model: those that the kernel would have, see `choose_arguments`.

    A recipe's `dtype` applies to ordinary weights; a quantised checkpoint keeps the dtype that it was saved with, which
    its kernels require.
    """
    arguments: dict[str, Any] = {"model": str(model_folder), "seed": seed}
    arguments |= choose_arguments(settings.arguments, read_capability())
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

"""vLLM's asynchronous engine behind a synchronous face: every sample is a request of its own, streamed and abortable.

`predict` is called from a worker thread and must return an answer, so the event loop that vLLM needs runs in a thread
of its own for the engine's life. vLLM keeps the model in a further process; there is no second layer of supervision.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import psutil
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from fastmath.engine.expand import find_runnable_checkpoint
from fastmath.engine.machine import choose_arguments, read_capability
from fastmath.prompts import THINK_END
from fastmath.recipe.sections import EngineSettings, SampleStop
from fastmath.runs.model_folder import check_model_folder

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sampling:
    """How a sample is drawn.

    Attributes:
        token_budget: most generated tokens, the end token included.
        temperature, top_p: of the sampling.
        stop: `think_end` lets the reasoning end, `box` takes its first complete box for the answer and goes no further.
    """

    token_budget: int
    temperature: float
    top_p: float
    stop: SampleStop = "think_end"


class Chunk(NamedTuple):
    """New tokens of a sample; `finish_reason` is `stop`, `length` or `abort` in its last chunk, None before."""

    token_ids: Sequence[int]
    finish_reason: str | None


class Engine(Protocol):
    """What the kernel wants of an engine."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def context_tokens(self) -> int:
        """Most tokens of a prompt and its sample together."""

    @property
    def is_alive(self) -> bool:
        """Whether it still takes requests."""

    def kill(self) -> None:
        """End it at once, also where it hangs."""

    def close(self) -> None:
        """End it."""

    def run(self, work: Coroutine[Any, Any, Result], timeout: float | None = None) -> Result:
        """Run a coroutine on the engine's event loop and wait for its result."""

    def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Draw one sample, chunk by chunk."""

    async def abort(self, request_ids: Iterable[str]) -> None:
        """End these samples; each still yields a last chunk."""


@dataclass
class EngineCounters:
    """What vLLM's engine core last reported of itself; one of vLLM's stat loggers by its methods.

    Attributes:
        running, waiting: requests in the engine's own scheduler.
        stepped_at: `time.monotonic()` of its last report, which follows every step.
    """

    running: int = 0
    waiting: int = 0
    stepped_at: float = 0.0

    def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
        """Called by vLLM after every step of the engine."""
        self.stepped_at = time.monotonic()
        if scheduler_stats is not None:
            self.running, self.waiting = scheduler_stats.num_running_reqs, scheduler_stats.num_waiting_reqs

    def log_engine_initialized(self) -> None:
        """Nothing to say."""

    def log(self) -> None:
        """Nothing to say."""


class AsyncEngine:
    """An `Engine` on vLLM's AsyncLLM; use it as a context manager, or call `close`."""

    def __init__(self, model: Path, settings: EngineSettings, seed: int = 0, counted: bool = False) -> None:
        """Load the model.

        Args:
            model: folder of a checkpoint with its tokenizer.
            settings: vLLM's engine arguments, and the environment that has to stand before vLLM is imported.
            seed: of the engine; an argument named `seed` overrides it.
            counted: keep `counters` of what vLLM's engine reports of itself, at some cost a step.

        Raises:
            ModelFolderError: the folder lacks its configuration, weights or tokenizer.
            MachineError: there is no GPU, and this is vLLM's build for GPUs.
        """
        check_model_folder(model)
        _prepare_environment(settings.environment)
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
        self._loop = asyncio.new_event_loop()
        self.counters = EngineCounters()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()
        arguments = {"model": str(find_runnable_checkpoint(model)), "seed": seed, **settings.arguments}
        before = set(psutil.Process().children(recursive=True))
        try:
            self._llm = self.run(_load(arguments, self.counters if counted else None))
        except BaseException:
            self._stop_loop()
            raise
        finally:
            started = [child for child in psutil.Process().children(recursive=True) if child not in before]
            # Python's own tracker of shared memory serves this process for its whole life.
            self._processes = [child for child in started if "resource_tracker" not in " ".join(child.cmdline())]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._closing:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # asyncio lets these end the loop; they are one sample's, whose task has kept them.
                logger.exception("a sample tried to end the engine's event loop")

    def run(self, work: Coroutine[Any, Any, Result], timeout: float | None = None) -> Result:
        """Run a coroutine on the engine's event loop and wait for its result.

        Raises:
            TimeoutError: it took longer than `timeout` seconds; it is cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    async def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Draw one sample, chunk by chunk; only on the engine's own event loop.

        Raises:
            ValueError: the prompt leaves no room for a token in the model's context.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        room = self.context_tokens - len(prompt)
        if room < 1:
            raise ValueError(
                f"the prompt has {len(prompt)} tokens and the context {self.context_tokens}; raise "
                "`engine.arguments.max_model_len`"
            )
        parameters = SamplingParams(
            max_tokens=min(sampling.token_budget, room),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop_token_ids=self._stop_token_ids(),
            # vLLM leaves the stop token out of its text; tokens are decoded here, once, with it.
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        outputs = self._llm.generate({"prompt_token_ids": list(prompt)}, parameters, request_id)
        # Closing vLLM's generator is what aborts the request of a caller who has read enough.
        async with contextlib.aclosing(outputs):
            async for output in outputs:
                completion = output.outputs[0]
                yield Chunk(completion.token_ids, completion.finish_reason)

    async def abort(self, request_ids: Iterable[str]) -> None:
        """End these samples; each still yields a last chunk with the tokens that were not yet handed over."""
        await self._llm.abort(list(request_ids))

    @property
    def context_tokens(self) -> int:
        """Most tokens of a prompt and its sample together."""
        return self._llm.model_config.max_model_len

    @property
    def is_alive(self) -> bool:
        """Whether vLLM still takes requests."""
        return not self._llm.errored

    def kill(self) -> None:
        """End the engine's processes at once, also where they or the event loop hang."""
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(self._processes, timeout=10)
        with contextlib.suppress(TimeoutError):
            self.close(timeout=5)

    def close(self, timeout: float = 30) -> None:
        """End the engine's process and its event loop; an engine that has been closed stays so.

        Raises:
            TimeoutError: the event loop is stuck.
        """
        if self._loop.is_running():
            self.run(_shut_down(self._llm), timeout)
            self._stop_loop()

    def _stop_token_ids(self) -> list[int]:
        # Not every checkpoint's generation config survives quantisation.
        identifier = self.tokenizer.convert_tokens_to_ids(THINK_END)
        known = identifier is not None and identifier != self.tokenizer.unk_token_id
        return [identifier] if known else []

    def _stop_loop(self) -> None:
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)


def _prepare_environment(environment: Mapping[str, str]) -> None:
    """Set what vLLM reads at its import, here and in the engine's own process, which inherits it."""
    changed = [name for name, value in environment.items() if os.environ.get(name) != value]
    if changed and "vllm" in sys.modules:
        logger.warning("vLLM was imported before %s was set; it may not be heeded", ", ".join(changed))
    os.environ.update(environment)


async def _load(arguments: dict[str, Any], counters: EngineCounters | None) -> Any:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    chosen = AsyncEngineArgs(**choose_arguments(arguments, read_capability()))
    loggers = None if counters is None else [lambda *_: counters]
    return AsyncLLM.from_engine_args(chosen, stat_loggers=loggers)


async def _shut_down(llm: Any) -> None:
    llm.shutdown()
    # vLLM's own tasks would otherwise be destroyed while they wait, with a warning each.
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

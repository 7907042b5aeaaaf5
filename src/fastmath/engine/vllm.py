"""vLLM's asynchronous engine with a synchronous interface: every sample is one request, streamed and abortable.

`Kernel.predict` is called from a worker thread and must return an answer, so the event loop that vLLM needs runs in a
separate thread as long as the engine lives. vLLM already keeps the model in a process of its own; this module adds no
other one around it.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from fastmath.answers.extract import AnswerPlace
from fastmath.engine.checkpoint import find_runnable_checkpoint
from fastmath.engine.loading import LoadProcesses, kill_processes
from fastmath.engine.machine import choose_arguments, prepare_environment, read_capability
from fastmath.prompts import GenerationEnd, find_ending
from fastmath.recipe.inference import EngineSettings
from fastmath.runs.model_folder import check_model_folder

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of one sample.

    Attributes:
        token_budget: largest number of generated tokens, the stop token included.
        temperature: sampling temperature; 0 is greedy decoding.
        top_p: probability mass of the most likely tokens that are sampled from (nucleus sampling).
        stop: `end_of_text` = the sample runs to the model's own end; `think_end` = to the end of its reasoning; `box` =
            it is stopped at its first complete box, whose content is its answer.
        answer_place: part of the sample whose last box is its answer.
        min_p: least probability of a token that is sampled, as a share of the likeliest one's.
    """

    token_budget: int
    temperature: float
    top_p: float
    stop: GenerationEnd = "think_end"
    answer_place: AnswerPlace = "reasoning"
    min_p: float = 0.0


class Chunk(NamedTuple):
    """New tokens of a sample; `finish_reason` is `stop`, `length` or `abort` in the last chunk, None in all others."""

    token_ids: Sequence[int]
    finish_reason: str | None


class Engine(Protocol):
    """The interface through which the kernel uses an engine."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def context_tokens(self) -> int:
        """Length of the model's context: the most tokens of a prompt and its sample together."""

    @property
    def is_alive(self) -> bool:
        """Whether the engine still accepts requests."""

    def kill(self) -> None:
        """End the engine at once, even if it hangs."""

    def close(self) -> None:
        """Shut the engine down."""

    def run(self, work: Coroutine[Any, Any, Result], timeout: float | None = None) -> Result:
        """Run a coroutine on the engine's event loop and wait for its result."""

    def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Draw one sample, chunk by chunk."""

    async def abort(self, request_ids: Iterable[str]) -> None:
        """Stop these requests; the stream of each still yields a last chunk."""


@dataclass
class EngineCounters:
    """Latest figures from vLLM's engine core; it has the methods of a vLLM stat logger.

    Attributes:
        running: number of requests that the engine's scheduler is running.
        waiting: number of requests that wait in the scheduler.
        stepped_at: `time.monotonic()` at the latest report; the engine reports after every step.
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
    """The `Engine` that runs vLLM's AsyncLLM; use it as a context manager, or call `close`."""

    def __init__(
        self,
        model: Path,
        settings: EngineSettings,
        seed: int = 0,
        counted: bool = False,
        processes: LoadProcesses | None = None,
    ) -> None:
        """Load the model; a load that fails leaves no process behind.

        Args:
            model: folder of a checkpoint with its tokenizer; 4-bit weights are expanded if there are no 4-bit kernels.
            settings: vLLM's engine arguments, and environment variables that must be set before vLLM is imported.
            seed: seed of the engine; an argument named `seed` in the settings overrides it.
            counted: whether to keep `counters` up to date, which costs a little time per engine step.
            processes: hold on the load's processes, by which another thread may end it; None = nobody will.

        Raises:
            ModelFolderError: the folder lacks its configuration, weights or tokenizer.
            MachineError: the installed vLLM is the build for GPUs, and there is no GPU.
            LoadEndedError: the load was ended before vLLM had started a process.
        """
        check_model_folder(model)
        prepare_environment(settings.environment)
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
        self._loop = asyncio.new_event_loop()
        self.counters = EngineCounters()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()
        arguments = {"model": str(find_runnable_checkpoint(model)), "seed": seed, **settings.arguments}
        processes = LoadProcesses() if processes is None else processes
        try:
            processes.require_wanted()
            self._llm = self.run(_load(arguments, self.counters if counted else None))
        except BaseException:
            processes.kill()  # those that vLLM has left keep their memory
            self._stop_loop()
            raise
        self._processes = processes.find()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._closing:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # asyncio lets these two end the loop. One sample raised them and its task keeps them: run it again.
                logger.exception("a sample tried to end the engine's event loop")

    def run(self, work: Coroutine[Any, Any, Result], timeout: float | None = None) -> Result:
        """Run a coroutine on the engine's event loop and wait for its result.

        Raises:
            TimeoutError: it took longer than `timeout` seconds (None = no limit); it is cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    async def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Draw one sample, chunk by chunk; must run on the engine's event loop.

        Raises:
            ValueError: the prompt fills the model's context and leaves no room for a token.
        """
        # Late, as everywhere in this module: vLLM takes seconds, and reads the environment at its import.
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        room = self.context_tokens - len(prompt)
        if room < 1:
            raise ValueError(
                f"the prompt has {len(prompt)} tokens and the context {self.context_tokens}; raise "
                "`engine.arguments.max_model_len`"
            )
        ending = find_ending(self.tokenizer, sampling.stop)
        parameters = SamplingParams(
            max_tokens=min(sampling.token_budget, room),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            **ending.stops,
            # vLLM would leave the stop token out of its text; the caller decodes the tokens once, with it. To look for
            # a text vLLM has to decode, too.
            detokenize=bool(ending.strings),
            output_kind=RequestOutputKind.DELTA,
        )
        outputs = self._llm.generate({"prompt_token_ids": list(prompt)}, parameters, request_id)
        # A caller may stop reading early; closing vLLM's generator is what aborts the request then.
        async with contextlib.aclosing(outputs):
            async for output in outputs:
                completion = output.outputs[0]
                yield Chunk(completion.token_ids, completion.finish_reason)

    async def abort(self, request_ids: Iterable[str]) -> None:
        """Stop these requests; each stream still yields a last chunk with the tokens not yet yielded."""
        await self._llm.abort(list(request_ids))

    @property
    def context_tokens(self) -> int:
        """Length of the model's context: the most tokens of a prompt and its sample together."""
        return self._llm.model_config.max_model_len

    @property
    def is_alive(self) -> bool:
        """Whether vLLM still accepts requests."""
        return not self._llm.errored

    def kill(self) -> None:
        """Kill the engine's processes at once, even if they or the event loop hang."""
        kill_processes(self._processes)
        with contextlib.suppress(TimeoutError):
            self.close(timeout=5)

    def close(self, timeout: float = 30) -> None:
        """Shut down the engine's process and its event loop; closing it again does nothing.

        Raises:
            TimeoutError: the event loop has not shut the engine down within `timeout` seconds.
        """
        if self._loop.is_running():
            self.run(_shut_down(self._llm), timeout)
            self._stop_loop()

    def _stop_loop(self) -> None:
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)


async def _load(arguments: dict[str, Any], counters: EngineCounters | None) -> Any:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    chosen = AsyncEngineArgs(**choose_arguments(arguments, read_capability()))
    loggers = None if counters is None else [lambda *_: counters]
    return AsyncLLM.from_engine_args(chosen, stat_loggers=loggers)


async def _shut_down(llm: Any) -> None:
    llm.shutdown()
    # vLLM's own tasks would otherwise be destroyed while they are pending, each with a warning.
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

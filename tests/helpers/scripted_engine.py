"""An engine whose samples are written down: the kernel's own behaviour without a model.

The tokenizer is a real one, trained on a handful of texts, so prompts and answers take the way they take in a contest.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import Qwen2Tokenizer

from fastmath.engine.vllm import Chunk, Sampling
from fastmath.nano.model import train_tokenizer

TEXT = "(1) 3+4=7\nSo \\boxed{7}.\n</think>"


def make_tokenizer() -> Qwen2Tokenizer:
    """A tokenizer that knows the markers of reasoning."""
    return train_tokenizer([TEXT, "What is 3+4?"], 320)


@dataclass(frozen=True)
class Sample:
    """One written sample: its text, the seconds it takes, whether its budget cut it, or the error it fails with."""

    text: str = TEXT
    seconds: float = 0.0
    cut: bool = False
    error: Exception | None = None


def boxed(answer: int, seconds: float = 0.0) -> Sample:
    """A finished sample that answers `answer`."""
    return Sample(f"So \\boxed{{{answer}}}.\n</think>", seconds)


@dataclass
class ScriptedEngine:
    """Gives sample `i` of every question the text `script[i]`, and `harvest` to every sample that is harvested.

    `aborted` holds the requests that were ended.
    """

    script: Sequence[Sample]
    tokenizer: Qwen2Tokenizer = field(default_factory=make_tokenizer)
    aborted: list[str] = field(default_factory=list)
    harvest: str = "9}"
    is_alive: bool = True
    killed: bool = False
    context_tokens: int = 1024

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        sample = self.script[int(request_id.rpartition("-")[2]) % len(self.script)]
        if sample.error is not None:
            raise sample.error
        if "-harvest-" in request_id:
            yield Chunk(tuple(self.tokenizer(self.harvest)["input_ids"]), "stop")
            return
        ids = tuple(self.tokenizer(sample.text)["input_ids"])
        # All but the end of the reasoning comes at once.
        yield Chunk(ids[:-1], None)
        waited = 0.0
        while waited < sample.seconds and request_id not in self.aborted:
            await asyncio.sleep(0.01)
            waited += 0.01
        if request_id in self.aborted:
            yield Chunk((), "abort")
        else:
            yield Chunk(ids[-1:], "length" if sample.cut else "stop")

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.kill()

    async def abort(self, request_ids: Iterable[str]) -> None:
        self.aborted += request_ids

"""vLLM's asynchronous engine: real samples of a tiny random model, and folders that hold none."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastmath.answers.prompts import render_prompt
from fastmath.config import EngineSettings, NanoModelSettings
from fastmath.inference.engines import AsyncEngine, Chunk, Sampling
from fastmath.model_folder import ModelFolderError
from fastmath.training.nano_model import make_base_model

SETTINGS = EngineSettings(
    arguments={"dtype": "float32", "max_model_len": 1024, "enforce_eager": True, "max_num_seqs": 8},
    environment={
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    },
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncEngine]:
    folder = tmp_path_factory.mktemp("model")
    settings = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=1024, vocabulary_size=320)
    make_base_model(folder, settings, ["What is 3+4? So \\boxed{7}."], seed=0)
    with AsyncEngine(folder, SETTINGS) as engine:
        yield engine


async def collect(engine: AsyncEngine, request_id: str, budget: int, prompt: list[int]) -> list[Chunk]:
    return [chunk async for chunk in engine.stream(request_id, prompt, Sampling(budget, 1.0, 1.0))]


def prompt_of(engine: AsyncEngine) -> list[int]:
    return render_prompt(engine.tokenizer, "What is 3+4?", None)


def test_samples_are_streamed_side_by_side(engine: AsyncEngine) -> None:
    async def draw() -> list[list[Chunk]]:
        return await asyncio.gather(*(collect(engine, f"s{i}", 8, prompt_of(engine)) for i in range(4)))

    lengths = [sum(len(chunk.token_ids) for chunk in chunks) for chunks in engine.run(draw())]
    assert len(lengths) == 4
    assert all(1 <= length <= 8 for length in lengths)


def test_last_chunk_says_why_the_sample_ended(engine: AsyncEngine) -> None:
    chunks = engine.run(collect(engine, "reason", 4, prompt_of(engine)))
    assert chunks[-1].finish_reason in ("stop", "length")


def test_aborted_sample_ends_with_abort_and_is_gone_from_the_engine(engine: AsyncEngine) -> None:
    async def draw() -> list[Chunk]:
        chunks = []
        async for chunk in engine.stream("abort", prompt_of(engine), Sampling(900, 1.0, 1.0)):
            if not chunks:  # the engine has it now, and has seconds of its budget left
                await engine.abort(["abort"])
            chunks.append(chunk)
        return chunks

    chunks = engine.run(draw())
    assert chunks[-1].finish_reason == "abort"
    assert sum(len(chunk.token_ids) for chunk in chunks) < 900
    assert engine._llm.get_num_unfinished_requests() == 0


def test_prompt_longer_than_the_context_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(ValueError, match="max_model_len"):
        engine.run(collect(engine, "long", 8, [5] * 2000))


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no model folder"):
        AsyncEngine(tmp_path / "nothing", SETTINGS)

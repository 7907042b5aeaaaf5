"""vLLM's asynchronous engine: real samples of a tiny random model, and folders that hold none."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from fastmath.engine import vllm
from fastmath.engine.loading import LoadProcesses
from fastmath.engine.machine import prepare_environment
from fastmath.engine.vllm import AsyncEngine, Chunk, Sampling
from fastmath.nano.model import make_base_model
from fastmath.prompts import render_prompt
from fastmath.recipe.inference import EngineSettings
from fastmath.recipe.sections import NanoModelSettings
from fastmath.runs.model_folder import ModelFolderError

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
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    settings = NanoModelSettings(hidden_size=64, layers=1, heads=2, max_positions=1024, vocabulary_size=320)
    make_base_model(folder, settings, ["What is 3+4? So \\boxed{7}."], seed=0)
    return folder


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[AsyncEngine]:
    with AsyncEngine(model, SETTINGS, counted=True) as engine:
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


def test_aborted_sample_ends_with_abort(engine: AsyncEngine) -> None:
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


async def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within some seconds."""
    for _ in range(500):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


# Counted by the engine's own scheduler, in its process: what this side believes is not asked.
def test_aborted_samples_are_gone_from_the_engines_scheduler(engine: AsyncEngine) -> None:
    counters = engine.counters

    async def abort_two_of_three() -> list[bool]:
        tasks = [asyncio.create_task(collect(engine, f"a{index}", 900, prompt_of(engine))) for index in range(3)]
        seen = [await until(lambda: counters.running == 3)]
        await engine.abort(["a0", "a1"])
        seen.append(await until(lambda: counters.running == 1))
        await engine.abort(["a2"])
        await asyncio.gather(*tasks)
        return seen

    assert engine.run(abort_two_of_three()) == [True, True]


def test_an_engine_whose_samples_are_all_aborted_makes_no_further_step(engine: AsyncEngine) -> None:
    counters = engine.counters

    async def abort_all() -> tuple[bool, float, float]:
        tasks = [asyncio.create_task(collect(engine, f"b{index}", 900, prompt_of(engine))) for index in range(3)]
        seen = await until(lambda: counters.running == 3)
        await engine.abort([f"b{index}" for index in range(3)])
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.5)  # the step that was under way is over
        stepped_at = counters.stepped_at
        await asyncio.sleep(0.5)
        return seen, stepped_at, counters.stepped_at

    seen, before, after = engine.run(abort_all())
    assert seen
    assert before == after


def test_a_cancelled_stream_is_gone_from_the_engines_scheduler(engine: AsyncEngine) -> None:
    counters = engine.counters

    async def cancel_one_of_two() -> list[bool]:
        tasks = [asyncio.create_task(collect(engine, f"c{index}", 900, prompt_of(engine))) for index in range(2)]
        seen = [await until(lambda: counters.running == 2)]
        tasks[0].cancel()
        seen.append(await until(lambda: counters.running == 1))
        await engine.abort(["c1"])
        await tasks[1]
        return seen

    assert engine.run(cancel_one_of_two()) == [True, True]


def test_an_exit_raised_in_a_sample_does_not_end_the_engine(engine: AsyncEngine) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        engine.run(leave(), timeout=10)
    assert engine.run(collect(engine, "after", 4, prompt_of(engine)), timeout=60)


def test_prompt_longer_than_the_context_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(ValueError, match="max_model_len"):
        engine.run(collect(engine, "long", 8, [5] * 2000))


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no model folder"):
        AsyncEngine(tmp_path / "nothing", SETTINGS)


PROGRAM = """
import sys, time
from pathlib import Path
from fastmath.engine.vllm import AsyncEngine
from fastmath.recipe.inference import EngineSettings
if __name__ == "__main__":
    engine = AsyncEngine(Path(sys.argv[1]), EngineSettings.model_validate_json(sys.argv[2]), seed=0)
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_an_engine_whose_process_is_killed_ends_too(model: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(program), str(model), SETTINGS.model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    while process.stdout.readline() not in ("up\n", ""):
        pass
    engines = psutil.Process(process.pid).children(recursive=True)
    assert len(engines) >= 2  # vLLM's own process, and Python's tracker of shared memory
    process.kill()
    _, alive = psutil.wait_procs(engines, timeout=20)
    assert alive == []


def test_an_engine_is_spawned_unless_somebody_wants_it_forked(monkeypatch):
    monkeypatch.setenv("VLLM_WORKER_MULTIPROC_METHOD", "fork")  # so that it is put back as it was
    monkeypatch.delenv("VLLM_WORKER_MULTIPROC_METHOD")
    prepare_environment({})
    assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    prepare_environment({"VLLM_WORKER_MULTIPROC_METHOD": "fork"})
    assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "fork"


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()


def load_as(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    async def load(*_: object) -> object:
        return work()

    monkeypatch.setattr(vllm, "_load", load)


def test_a_load_that_fails_leaves_no_process(
    model: Path, monkeypatch: pytest.MonkeyPatch, children: list[subprocess.Popen[bytes]]
) -> None:
    def fail() -> None:
        children.append(subprocess.Popen(["sleep", "600"]))
        raise RuntimeError("Engine core initialization failed")

    load_as(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="initialization failed"):
        AsyncEngine(model, SETTINGS)
    assert children[0].poll() is not None


def test_a_zombie_does_not_turn_a_good_load_into_a_failed_one(
    model: Path, monkeypatch: pytest.MonkeyPatch, children: list[subprocess.Popen[bytes]]
) -> None:
    def leave_a_zombie() -> SimpleNamespace:
        dead, alive = subprocess.Popen(["true"]), subprocess.Popen(["sleep", "600"])
        children.extend((dead, alive))
        while psutil.Process(dead.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        return SimpleNamespace(shutdown=lambda: None)

    load_as(monkeypatch, leave_a_zombie)
    engine = AsyncEngine(model, SETTINGS)
    assert [process.pid for process in engine._processes] == [children[1].pid]
    engine.kill()
    assert children[1].poll() is not None


def test_a_load_that_hangs_is_ended_from_another_thread(
    model: Path, monkeypatch: pytest.MonkeyPatch, children: list[subprocess.Popen[bytes]]
) -> None:
    def wait_for_a_child() -> None:
        children.append(subprocess.Popen(["sleep", "600"]))
        while children[0].poll() is None:  # as vLLM waits for its engine core
            time.sleep(0.01)
        raise RuntimeError("Engine core initialization failed")

    load_as(monkeypatch, wait_for_a_child)
    processes = LoadProcesses()
    threading.Timer(0.3, processes.end).start()
    with pytest.raises(RuntimeError, match="initialization failed"):
        AsyncEngine(model, SETTINGS, processes=processes)

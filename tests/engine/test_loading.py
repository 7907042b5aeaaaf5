"""The hold on a load's processes, the time that a load has, and the engine that takes less memory."""

import os
import subprocess
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.engine.loading import LoadEndedError, LoadProcesses, LoadRules, shrink_engine
from fastmath.recipe.inference import EngineSettings


@pytest.mark.parametrize(
    ("first_load", "seconds"),
    [
        (None, 1200.0),  # twenty minutes
        (100.0, 300.0),  # 3 * 100
        (5.0, 60.0),  # 3 * 5 is less than a minute
    ],
)
def test_a_load_has_twenty_minutes_at_first_and_three_times_the_first_one_later(
    first_load: float | None, seconds: float
) -> None:
    assert LoadRules().limit(first_load) == seconds


def test_processes_that_come_up_during_a_load_are_killed_and_no_others() -> None:
    earlier = subprocess.Popen(["sleep", "60"])
    processes = LoadProcesses()
    child = subprocess.Popen(["sh", "-c", "sleep 60 & wait"])  # a process with a child, as vLLM's
    while len(psutil.Process(child.pid).children()) < 1:
        time.sleep(0.01)
    (grandchild,) = psutil.Process(child.pid).children()
    processes.kill()
    assert not psutil.pid_exists(child.pid)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE
    assert earlier.poll() is None
    earlier.kill()
    earlier.wait()


def test_a_zombie_is_none_of_a_loads_processes() -> None:
    processes = LoadProcesses()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert processes.find() == []
    os.waitpid(pid, 0)


def test_a_load_that_was_ended_owns_no_later_process_and_is_not_wanted() -> None:
    processes = LoadProcesses()
    processes.require_wanted()
    processes.end()
    later = subprocess.Popen(["sleep", "60"])
    assert processes.find() == []
    with pytest.raises(LoadEndedError):
        processes.require_wanted()
    later.kill()
    later.wait()


GIVEN = EngineSettings(arguments={"max_num_seqs": 32}, environment={"VLLM_CPU_KVCACHE_SPACE": "4"})


def test_the_first_engine_is_the_recipes_own() -> None:
    assert shrink_engine(GIVEN, samples=16, scale=1.0) == GIVEN


def test_an_engine_without_a_batch_runs_a_questions_samples_at_once() -> None:
    assert shrink_engine(EngineSettings(), samples=16, scale=1.0).arguments == {"max_num_seqs": 16}


def test_a_smaller_engine_takes_less_of_the_gpu_and_less_cache_of_the_cpu() -> None:
    shrunk = shrink_engine(GIVEN, samples=16, scale=0.5)
    # 0.92 * (0.75 + 0.25 * 0.5) = 0.805; half of 32 samples and of 4 GiB.
    assert shrunk.arguments == {"max_num_seqs": 16, "gpu_memory_utilization": 0.805}
    assert shrunk.environment == {"VLLM_CPU_KVCACHE_SPACE": "2"}


def test_a_cache_of_a_set_size_shrinks_with_the_batch() -> None:
    given_ = EngineSettings(arguments={"kv_cache_memory_bytes": 1000, "gpu_memory_utilization": 0.8})
    # 0.8 * (0.75 + 0.25 * 0.25) = 0.65
    assert shrink_engine(given_, 16, 0.25).arguments == {
        "kv_cache_memory_bytes": 250,
        "gpu_memory_utilization": 0.65,
        "max_num_seqs": 4,
    }


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(0.1, 1.0), st.integers(1, 512), st.integers(1, 64))
def test_an_engine_of_a_smaller_scale_never_takes_more(
    one: float, other: float, utilization: float, batch: int, cache: int
) -> None:
    settings = EngineSettings(
        arguments={"gpu_memory_utilization": utilization, "max_num_seqs": batch},
        environment={"VLLM_CPU_KVCACHE_SPACE": str(cache)},
    )
    small, large = (shrink_engine(settings, 16, scale) for scale in sorted((one, other)))
    for name in settings.arguments:
        assert 0 < small.arguments[name] <= large.arguments[name] <= settings.arguments[name] + 1e-4
    assert 1 <= int(small.environment["VLLM_CPU_KVCACHE_SPACE"]) <= int(large.environment["VLLM_CPU_KVCACHE_SPACE"])

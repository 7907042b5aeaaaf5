"""The processes that sample a model: one for each engine, started, watched and joined here.

On GPUs each model has processes of its own, whose memory is certainly free when they end. On a CPU a process draws from
one model after the other: vLLM's imports take ten seconds. Several engines side by side (data parallelism) share the
samples of a job out among themselves.
"""

import itertools
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from fastmath.engine.machine import ENVIRONMENT
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.inference import EvaluateSettings
from fastmath.runs.files import write_parquet
from fastmath.runs.gpus import VISIBLE_VARIABLE, list_visible_devices
from fastmath.runs.process import Child, end_child, run_children
from fastmath.runs.progress import PROGRESS_FILE, TOKENS_PER_SECOND, Progress, ProgressCounter, read_progress
from fastmath.sampling.jobs import SamplingJob, list_wanted, read_problems
from fastmath.sampling.samples import judge_samples
from fastmath.sampling.shards import KEY, clear_shards, describe_file, is_judged, list_pending, read_drawn

logger = logging.getLogger(__name__)

PASSIVE_THREADS: Mapping[str, str] = {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "passive"}
"""Environment of an engine alone on a CPU, for the OpenMP libraries of Intel and of GNU."""
ONE_THREAD: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
"""Environment of engines side by side on a CPU."""


def run_jobs(jobs: Sequence[SamplingJob], folder: Path) -> None:
    """Draw what is missing of each job, judge its samples and write them to its file.

    Args:
        jobs: the jobs, in the order in which they are run.
        folder: the stage's folder, for its progress, and for the job files and logs of the processes.

    Raises:
        fastmath.runs.process.ChildFailedError: a process failed; what the others have drawn is kept.
        OSError: a process failed because the disk is full (`ENOSPC`).
        KeyboardInterrupt: Ctrl-C was pressed; it is passed on after the processes have ended.
    """
    pending = {job.model: list_pending(job).height for job in jobs}
    for job in jobs:
        logger.info("%s: %s", job.model, f"{pending[job.model]:,} samples to draw" if pending[job.model] else "drawn")
    counter = ProgressCounter(folder, "sample", sum(pending.values())) if any(pending.values()) else None
    speed = None
    for together in group_jobs(jobs):
        missing = [job for job in together if pending[job.model]]
        if missing:
            speed = _draw(missing, folder, counter)
        for job in together:
            if not is_judged(job):
                finish_job(job)
    if counter is not None:
        counter.close({TOKENS_PER_SECOND: speed})


def group_jobs(jobs: Sequence[SamplingJob]) -> list[list[SamplingJob]]:
    """The jobs whose models are drawn from by the same processes: those with the same engines, where there is no GPU.

    Engines on GPUs are parts of the machine; memory that a model leaves behind would be missing to the next one.
    """
    if list_visible_devices():
        return [[job] for job in jobs]
    groups = itertools.groupby(
        jobs, key=lambda job: [process_environment(job.settings, rank) for rank in range(job.settings.engines)]
    )
    return [list(group) for _, group in groups]


def finish_job(job: SamplingJob) -> pl.DataFrame:
    """Judge the samples of a job that has been drawn, and write them to its file in place of its shards.

    Raises:
        SettingsError: samples are missing; what there is is kept.
    """
    problems = read_problems(job.problems)
    wanted = list_wanted(job)
    drawn = wanted.join(read_drawn(job), on=KEY, how="inner", maintain_order="left")
    if drawn.height < wanted.height:
        raise SettingsError(
            f"{job.model}: {drawn.height:,} of {wanted.height:,} samples are in {job.shards}; was the same sampled by "
            "another process at once? Run it again by itself: only those that are missing are drawn"
        )
    drawn = problems.select(problem_id="id").join(drawn, on="problem_id", maintain_order="left_right")
    samples = judge_samples(drawn, problems, job.reading.answer_place)
    write_parquet(samples, job.destination, describe_file(job, wanted))
    clear_shards(job)
    return samples


def _draw(jobs: Sequence[SamplingJob], folder: Path, counter: ProgressCounter) -> float | None:
    """Run the processes of jobs with the same engines; returns their tokens per second together, as last reported."""
    settings = jobs[0].settings
    places = {
        job.model: [folder / "engines" / f"{job.model}-{rank}" for rank in range(settings.engines)] for job in jobs
    }
    for job in jobs:
        for place in places[job.model]:
            place.mkdir(parents=True, exist_ok=True)
            (place / PROGRESS_FILE).unlink(missing_ok=True)  # of an earlier sampling, which would count again
            (place / "job.json").write_text(job.model_dump_json(indent=2))
    children = []
    for rank in range(settings.engines):
        own = [places[job.model][rank] for job in jobs]
        command = [sys.executable, "-m", "fastmath.sampling.sampler", str(rank), *(str(p / "job.json") for p in own)]
        log = folder / "engines" / f"sampling-{rank}.log"
        children.append(Child(command, log, process_environment(settings, rank)))
    seen = 0

    def watch() -> None:
        nonlocal seen
        reports = {job.model: _read_reports(places[job.model]) for job in jobs}
        done = sum(report.done for each in reports.values() for report in each)
        model = next((name for name in reversed(reports) if reports[name]), jobs[0].model)  # the last one begun
        counter.add(done - seen, label=model, figures={TOKENS_PER_SECOND: _add_speeds(reports[model])})
        seen = done

    run_children(children, watch=watch, stop=end_child)
    return _add_speeds(_read_reports(places[jobs[-1].model]))


def _read_reports(places: Sequence[Path]) -> list[Progress]:
    return [report for place in places if (report := read_progress(place)) is not None]


def _add_speeds(reports: Sequence[Progress]) -> float | None:
    speeds = [report.figures.get(TOKENS_PER_SECOND) for report in reports]
    known = [speed for speed in speeds if speed is not None]
    return sum(known) if known else None


def process_environment(settings: EvaluateSettings, rank: int) -> dict[str, str]:
    """Environment variables of a sampling process: a quiet in-process engine, its GPUs, and those of the recipe.

    Engines side by side have GPUs of their own, and on a CPU a thread each. One engine on a CPU lets its threads sleep
    while they wait: where they spin, a process that is busy beside it costs all but a twelfth of its speed
    (`benchmarks/sampling.py`).
    """
    # With the engine in another process its random numbers would depend on when a request arrives.
    own = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    quiet = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "WARNING"}
    return own | quiet | _divide_machine(settings, rank) | settings.engine.environment


def _divide_machine(settings: EvaluateSettings, rank: int) -> dict[str, str]:
    devices = list_visible_devices()
    if not devices:
        return dict(PASSIVE_THREADS if settings.engines == 1 else ONE_THREAD)
    if settings.engines == 1:
        return {}
    arguments = settings.engine.arguments
    each = arguments.get("tensor_parallel_size", 1) * arguments.get("pipeline_parallel_size", 1)
    if settings.engines * each > len(devices):
        raise SettingsError(
            f"`evaluate.engines` is {settings.engines}, with {each} GPUs for each, and {len(devices)} are visible; "
            f"want {max(len(devices) // each, 1)} at most, or a smaller `tensor_parallel_size`"
        )
    return {VISIBLE_VARIABLE: ",".join(devices[rank * each : (rank + 1) * each])}

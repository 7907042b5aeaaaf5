"""The processes that draw samples: real engines side by side, killed, and gone on with."""

import re
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.inference import EvaluateSettings
from fastmath.runs.process import ChildFailedError
from fastmath.runs.progress import read_progress
from fastmath.sampling import processes
from fastmath.sampling.jobs import SamplingJob
from fastmath.sampling.processes import group_jobs, process_environment, run_jobs
from helpers.tiny_jobs import ENGINE, make_tiny_job, make_tiny_model

KEY = ["problem_id", "sample"]


def test_the_recipes_environment_wins() -> None:
    settings = EvaluateSettings(engine={"environment": {"VLLM_LOGGING_LEVEL": "INFO"}})
    assert process_environment(settings, 0)["VLLM_LOGGING_LEVEL"] == "INFO"


@pytest.mark.parametrize(("rank", "devices"), [(0, "4,5"), (1, "6,GPU-7")])
def test_engines_side_by_side_have_gpus_of_their_own(monkeypatch: pytest.MonkeyPatch, rank: int, devices: str) -> None:
    monkeypatch.setattr(processes, "list_visible_devices", lambda: ["4", "5", "6", "GPU-7"])
    settings = EvaluateSettings(engines=2, engine={"arguments": {"tensor_parallel_size": 2}})
    assert process_environment(settings, rank)["CUDA_VISIBLE_DEVICES"] == devices


def test_more_engines_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "list_visible_devices", lambda: ["0", "1", "2"])
    settings = EvaluateSettings(engines=2, engine={"arguments": {"tensor_parallel_size": 2}})
    with pytest.raises(SettingsError, match=r"2, with 2 GPUs for each, and 3 are visible; want 1 at most"):
        process_environment(settings, 0)


def test_the_threads_of_an_engine_alone_on_a_cpu_sleep_while_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "list_visible_devices", list)
    assert process_environment(EvaluateSettings(), 0)["OMP_WAIT_POLICY"] == "passive"


def test_engines_side_by_side_on_a_cpu_have_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "list_visible_devices", list)
    assert process_environment(EvaluateSettings(engines=2), 1)["OMP_NUM_THREADS"] == "1"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("model")
    return folder, make_tiny_model(folder)


def sample(job: SamplingJob) -> pl.DataFrame:
    run_jobs([job], job.destination.parent)
    return pl.read_parquet(job.destination)


@pytest.fixture(scope="module")
def whole(model: tuple[Path, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return sample(make_tiny_job(*model, tmp_path_factory.mktemp("whole")))


@pytest.mark.slow
def test_a_budget_cuts_the_same_samples_that_a_smaller_limit_gives(
    model: tuple[Path, pl.DataFrame], whole: pl.DataFrame, tmp_path: Path
) -> None:
    # All prompts fit into one batch, so that both draw the same random numbers up to the smaller limit.
    short = sample(make_tiny_job(*model, tmp_path, token_budget=32))
    both = whole.join(short, on=KEY, suffix="_short", maintain_order="left")
    assert both["tokens_short"].to_list() == [min(tokens, 32) for tokens in both["tokens"]]
    assert all(text.startswith(cut) for text, cut in both.select("text", "text_short").iter_rows())
    ended = both.filter(pl.col("tokens") <= 32)
    assert 0 < ended.height < both.height
    assert ended["text"].equals(ended["text_short"])


@pytest.mark.slow
def test_engines_side_by_side_share_the_samples_out(model: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    drawn = sample(make_tiny_job(*model, tmp_path, engines=2))
    assert drawn.select(KEY).rows() == [(name, number) for name in model[1]["id"] for number in range(8)]
    assert drawn["seed"].value_counts()["count"].to_list() == [16, 16]


@pytest.mark.slow
def test_models_that_share_a_process_are_drawn_from_as_by_processes_of_their_own(
    model: tuple[Path, pl.DataFrame], whole: pl.DataFrame, tmp_path: Path
) -> None:
    first, second = (make_tiny_job(*model, tmp_path / name) for name in ("first", "second"))
    run_jobs([first, second.model_copy(update={"model": "other"})], tmp_path)
    assert pl.read_parquet(first.destination).equals(whole)
    assert pl.read_parquet(second.destination).equals(whole)
    assert [path.name for path in (tmp_path / "engines").glob("*.log")] == ["sampling-0.log"]


@pytest.mark.slow
def test_an_error_names_the_model_that_was_sampled(model: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    job = make_tiny_job(*model, tmp_path, token_budget=100_000)
    with pytest.raises(
        ChildFailedError, match=rf"while the model tiny, {re.escape(str(job.model_folder))}, was sampled"
    ):
        run_jobs([job], tmp_path)


def test_models_share_no_process_on_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    jobs = [make_tiny_job(tmp_path / "model", make_tiny_model(tmp_path / "model"), tmp_path)] * 2
    monkeypatch.setattr(processes, "list_visible_devices", lambda: ["0", "1"])
    assert [len(group) for group in group_jobs(jobs)] == [1, 1]


COMMAND = """
import sys
from pathlib import Path
from fastmath.sampling.jobs import SamplingJob
from fastmath.sampling.processes import run_jobs
job = SamplingJob.model_validate_json(Path(sys.argv[1]).read_bytes())
run_jobs([job], job.destination.parent)
"""


@pytest.mark.slow
def test_a_killed_evaluation_draws_at_most_one_shard_again(model: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    engine = ENGINE | {"arguments": ENGINE["arguments"] | {"max_num_seqs": 4}}
    job = make_tiny_job(*model, tmp_path, samples=40, token_budget=64, shard_samples=16, engine=engine)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    parent = subprocess.Popen([sys.executable, "-c", COMMAND, str(tmp_path / "job.json")], stderr=subprocess.DEVNULL)
    while len(list(job.shards.glob("*.parquet"))) < 2:
        assert parent.poll() is None
        time.sleep(0.01)
    for process in [*psutil.Process(parent.pid).children(recursive=True), parent]:
        process.kill()
    parent.wait()
    kept = pl.concat(pl.read_parquet(path) for path in job.shards.glob("*.parquet"))
    finished = read_progress(tmp_path / "engines" / "tiny-0").done
    assert kept.height < 4 * 40
    assert finished - kept.height < 16  # the file of progress may be older than the last shard
    drawn = sample(job)
    assert drawn.height == drawn.select(KEY).n_unique() == 4 * 40
    assert drawn.join(kept, on=[*KEY, "text", "tokens", "seed"]).height == kept.height

"""Validation in real GRPO trainings: what it writes, what it leaves alone, and what the guard makes of it."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from fastmath.data import build
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import ValidationSettings
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from fastmath.sampling.samples import SAMPLE_SCHEMA
from fastmath.training import grpo
from fastmath.training.findings import read_findings
from fastmath.training.selection import read_choice
from fastmath.training.sets import read_validation_set
from fastmath.training.validation import _divide
from helpers.tiny_recipe import TINY
from helpers.two_processes import CPU, largest_difference, read_steps

SETTINGS = {name: value for name, value in TINY.items() if not name.startswith("sft")} | {
    "sft": None,
    "grpo.trainer.max_steps": 4,
    "grpo.trainer.learning_rate": 1e-2,
    "grpo.trainer.save_steps": 1,
    "grpo.trainer.save_total_limit": 1,
    "grpo.validation.every": 2,
    "grpo.validation.samples": 2,
}


def test_parts_for_processes_are_of_equal_height():
    problems = pl.DataFrame({"id": ["0", "1", "2", "3", "4"]})
    assert [part["id"].to_list() for part in _divide(problems, 2)] == [["0", "2", "4"], ["1", "3", "0"]]
    assert [part["id"].to_list() for part in _divide(problems, 1)] == [["0", "1", "2", "3", "4"]]


def test_a_validation_without_problems_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"there is no .*validation\.parquet; run `build_data` again"):
        read_validation_set(tmp_path, ValidationSettings())


def test_more_problems_than_there_are_are_refused(tmp_path):
    (tmp_path / "build_data").mkdir()
    pl.DataFrame({"id": ["0"]}).write_parquet(tmp_path / "build_data" / "validation.parquet")
    with pytest.raises(SettingsError, match=r"problems` is 9, and the validation set has 1"):
        read_validation_set(tmp_path, ValidationSettings(problems=9))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    stage = Stage("build_data", load_recipe("nano", SETTINGS), folder)
    with stage.running():
        build.run(stage)
    return folder


def train(data: Path, folder: Path, **changes: Any) -> Path:
    """The stage's folder of a GRPO training; `__` in the name of a change is a dot."""
    folder.mkdir(exist_ok=True)
    (folder / "build_data").symlink_to(data / "build_data")
    settings = SETTINGS | {f"grpo.{name.replace('__', '.')}": value for name, value in changes.items()}
    stage = Stage("grpo", load_recipe("nano", settings), folder)
    with stage.running():
        grpo.run(stage)
    return stage.folder


@pytest.fixture(scope="module")
def validated(data, tmp_path_factory) -> Path:
    return train(data, tmp_path_factory.mktemp("validated"))


def read_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_the_figures_stand_in_the_rows_of_their_steps(validated):
    rows = {row["step"]: row for row in read_rows(validated) if "validation/pass@1" in row}
    assert sorted(rows) == [0, 2, 4]
    assert "loss" not in rows[0]
    assert "loss" in rows[2]
    for name in ("pass@1", "majority@2", "tokens", "clipped"):
        low, value, high = (rows[4][f"validation/{name}{end}"] for end in ("/low", "", "/high"))
        assert low <= value <= high, name


@pytest.mark.slow
def test_the_samples_are_kept(validated):
    samples = pl.read_parquet(validated / "validation" / "step-00004.parquet")
    assert samples.schema == SAMPLE_SCHEMA
    assert samples.height == 6 * 2
    row = next(row for row in read_rows(validated) if row["step"] == 4 and "validation/tokens" in row)
    assert row["validation/tokens"] == pytest.approx(samples["tokens"].mean())


@pytest.mark.slow
def test_the_chosen_model_is_the_product_and_the_last_checkpoint_is_not_kept_for_it(validated):
    choice = read_choice(validated)
    assert choice["steps"] == 4
    assert choice["step"] in (0, 2, 4)
    assert (validated / "model" / "model.safetensors").exists()
    assert not (validated / "candidates").exists()
    assert [path.name for path in (validated / "checkpoints").glob("checkpoint-*")] == ["checkpoint-4"]


@pytest.mark.slow
def test_a_training_goes_on_as_if_it_had_not_been_validated(data, validated, tmp_path):
    alone = train(data, tmp_path / "alone", validation=None)
    names = ("loss", "reward", "completions/mean_length", "kl")
    steps = [[{name: row[name] for name in names} for row in read_steps(folder)] for folder in (alone, validated)]
    assert steps[0] == steps[1]
    last = [load_file(each / "checkpoints" / "checkpoint-4" / "model.safetensors") for each in (alone, validated)]
    assert largest_difference(*last) == 0.0
    assert read_choice(alone) is None


@pytest.mark.slow
def test_the_guard_ends_a_training_and_the_stage_has_a_product(data, tmp_path):
    # the first window of two steps is the measure of the next one, which can only be more than a hundredth of it
    limits = {"guard__window": 2, "guard__length": {"warn": None, "stop": 0.01}}
    limits["rewards"] = "paper"  # by the default ones an untrained model earns nothing, and all groups are flat
    stopped = train(data, tmp_path / "stopped", trainer__max_steps=20, **limits)
    assert [row["step"] for row in read_steps(stopped)] == [1, 2, 3]
    finding = read_findings(stopped)[-1]
    assert (finding.step, finding.level, finding.signal) == (3, "stop", "length")
    # the last step is validated, although only every second one is
    assert [row["step"] for row in read_rows(stopped) if "validation/pass@1" in row] == [0, 2, 3]
    assert read_choice(stopped)["steps"] == 3
    assert (stopped / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_a_training_ends_at_its_generated_tokens(data, tmp_path):
    # a step has 8 completions of 24 tokens at most, so that two steps are needed for 200 and three may be
    ended = train(data, tmp_path / "ended", trainer__max_steps=20, generated_tokens=200, validation=None)
    rows = read_steps(ended)
    generated = [row["generation/tokens"] for row in rows]
    assert sum(generated[:-1]) < 200 <= sum(generated)
    for row in rows:
        parts = [row[f"time/{part}"] for part in ("generation", "rewards", "validation", "update")]
        assert all(seconds >= 0 for seconds in parts)
        assert row["generation/tokens_per_second"] == pytest.approx(row["generation/tokens"] / parts[0])


@pytest.mark.slow
def test_two_processes_that_share_the_weights_draw_all_samples_and_save_the_chosen_model_whole(data, tmp_path):
    shared = train(
        data,
        tmp_path / "shared",
        accelerate="zero3",
        launch={"num_processes": 2, "mixed_precision": "no"},
        environment=CPU,
        trainer__max_steps=1,
        trainer__per_device_train_batch_size=4,
    )
    samples = pl.read_parquet(shared / "validation" / "step-00001.parquet")
    assert samples.group_by("problem_id", maintain_order=True).len()["len"].to_list() == [2] * 6
    names = load_file(shared / "model" / "model.safetensors").keys()
    assert names == load_file(data / "build_data" / "base_model" / "model.safetensors").keys()

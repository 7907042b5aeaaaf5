"""Launching a training process: what is refused, what an error shows, and what the metrics file holds."""

import json

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from torch import distributed
from transformers import TrainerControl, TrainerState, TrainingArguments

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import configs_folder, load_recipe
from fastmath.recipe.training import TrainingSettings
from fastmath.runs.process import ChildFailedError
from fastmath.runs.stage import Stage
from fastmath.training.callbacks import MetricsWriter, StopGuard
from fastmath.training.checkpoints import MARK, find_last_checkpoint
from fastmath.training.launch import launch, run_training_process


@pytest.fixture
def arguments(tmp_path):
    return TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])


def write(writer, arguments, step, **logs):
    writer.on_log(arguments, TrainerState(global_step=step, max_steps=9), TrainerControl(), logs=logs)


def test_an_unknown_accelerate_configuration_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(SettingsError, match=r"no accelerate configuration 'zero9'; want one of .*cpu"):
        launch(
            "fastmath.training.sft", Stage("sft", load_recipe("nano"), tmp_path), TrainingSettings(accelerate="zero9")
        )


def test_a_failed_training_shows_the_error_of_its_rank(tmp_path):
    with pytest.raises(
        ChildFailedError, match=r"(?s)rank 0: SettingsError: there is no recipe .*\nthe end of its trace"
    ):
        launch("fastmath.training.sft", Stage("sft", load_recipe("nano"), tmp_path), TrainingSettings())


def test_a_training_process_leaves_no_group_whose_threads_could_abort_it(tmp_path, monkeypatch):
    def train(folder, run_dir):
        distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)

    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", "")  # is set by the process, and put back here
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path / "sft"), "--run-dir", str(tmp_path)])
    run_training_process(train)
    assert not distributed.is_initialized()


def test_a_logged_step_is_one_line_with_its_number(tmp_path, arguments):
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    write(writer, arguments, 3, loss=0.5)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 3, "max_steps": 9, "loss": 0.5}


def test_nan_and_infinity_are_written_as_null(tmp_path, arguments):
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    write(writer, arguments, 3, loss=float("nan"), grad_norm=float("inf"))
    assert '"loss": null, "grad_norm": null' in (tmp_path / "metrics.jsonl").read_text()


def test_a_resumed_run_drops_the_steps_that_it_repeats(tmp_path, arguments):
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        write(writer, arguments, step, loss=1.0)
    writer.on_train_begin(arguments, TrainerState(global_step=2), TrainerControl())
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2]


def test_half_a_line_left_by_a_kill_is_dropped(tmp_path, arguments):
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    write(writer, arguments, 1, loss=1.0)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    writer.on_train_begin(arguments, TrainerState(global_step=5), TrainerControl())
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_stop_file_saves_and_ends_the_training(tmp_path, arguments):
    guard, control = StopGuard(tmp_path), TrainerControl()
    (tmp_path / "stop").touch()
    guard.on_step_end(arguments, TrainerState(), control)
    assert (control.should_save, control.should_training_stop, guard.stopped) == (True, True, True)


def test_training_goes_on_without_a_stop_file(tmp_path, arguments):
    control = TrainerControl()
    StopGuard(tmp_path).on_step_end(arguments, TrainerState(), control)
    assert not control.should_training_stop


def test_a_checkpoint_cut_off_by_a_kill_is_passed_over(tmp_path):
    for step in (5, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-5" / "trainer_state.json").touch()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-5"


def test_checkpoints_are_compared_by_number(tmp_path):
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").touch()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-10"


def test_a_checkpoint_that_every_process_has_written_is_preferred(tmp_path):
    for step in (5, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").touch()
    (tmp_path / "checkpoint-5" / MARK).touch()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-5"


@pytest.mark.parametrize("path", sorted((configs_folder() / "accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_every_shipped_launch_file(path):
    config = load_config_from_file(str(path))
    # One process needs no backend, and several are joined by one: `MULTI_CPU` alone would start a single process.
    assert (config.num_processes > 1) == (config.distributed_type in (DistributedType.MULTI_GPU, "DEEPSPEED"))

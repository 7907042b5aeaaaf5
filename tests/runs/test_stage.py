"""Run folders: what is current, what resumes, what is locked, what a manifest says."""

import json
import sys

import pytest

from fastmath.recipe.load import load_recipe
from fastmath.runs.locks import RunLockedError
from fastmath.runs.pipeline import open_stage
from fastmath.runs.progress import TOKENS_PER_SECOND, ProgressFile
from fastmath.runs.stage import DiskFullError, MissingStageError, OtherSettingsError, Stage, StageStoppedError
from helpers.small_disk import mount_small_disk


@pytest.fixture
def stage(tmp_path):
    return Stage("build_data", load_recipe("nano"), tmp_path)


def test_a_finished_stage_is_current(stage):
    with stage.running():
        pass
    assert stage.is_current()


def test_a_stage_that_never_ran_is_not_current(stage):
    assert not stage.is_current()


def test_a_changed_setting_makes_a_stage_stale(stage, tmp_path):
    with stage.running():
        pass
    assert not Stage("build_data", load_recipe("nano", {"data.nano.steps": [2, 2]}), tmp_path).is_current()


def test_a_setting_of_a_later_stage_leaves_it_current(stage, tmp_path):
    with stage.running():
        pass
    assert Stage("build_data", load_recipe("nano", {"grpo.trainer.max_steps": 3}), tmp_path).is_current()


def test_a_rerun_of_an_earlier_stage_makes_the_next_one_stale(stage, tmp_path):
    sft = Stage("sft", stage.recipe, tmp_path)
    for each in (stage, sft, stage):
        with each.running():
            pass
    assert not sft.is_current()


def test_an_interrupted_stage_keeps_its_products_for_the_next_run(stage):
    with pytest.raises(KeyboardInterrupt), stage.running():
        (stage.folder / "checkpoint").touch()
        raise KeyboardInterrupt
    with stage.running():
        assert (stage.folder / "checkpoint").exists()


def test_an_interrupted_stage_is_recorded_as_such(stage):
    with pytest.raises(KeyboardInterrupt), stage.running():
        raise KeyboardInterrupt
    assert stage.read_manifest()["status"] == "interrupted"


def test_a_stage_with_other_settings_starts_from_an_empty_folder(stage, tmp_path):
    with pytest.raises(KeyboardInterrupt), stage.running():
        (stage.folder / "checkpoint").touch()
        raise KeyboardInterrupt
    other = Stage("build_data", load_recipe("nano", {"seed": 1}), tmp_path)
    with other.running():
        assert not (other.folder / "checkpoint").exists()


def finish(stage: Stage, product: str) -> None:
    with stage.running():
        (stage.folder / product).touch()


def superseded(run_dir, stage: str) -> set[str]:
    """Names of the files that were set aside of one stage."""
    return {path.name for path in run_dir.glob(f"superseded/*/{stage}/*")}


@pytest.fixture
def other(tmp_path):
    """The same stage as `stage`, under another setting."""
    return Stage("build_data", load_recipe("nano", {"data.nano.steps": [2, 2]}), tmp_path)


def test_a_finished_stage_is_refused_under_other_settings_with_the_differences(stage, other):
    finish(stage, "model")
    with pytest.raises(OtherSettingsError, match=r"data\.nano\.steps: \[2, 3\] → \[2, 2\]"), other.running():
        pass


def test_a_refused_stage_keeps_everything(stage, other):
    finish(stage, "model")
    before = {path.name for path in stage.folder.iterdir()}
    with pytest.raises(OtherSettingsError), other.running():
        pass
    assert {path.name for path in stage.folder.iterdir()} == before


def test_force_moves_the_old_products_aside_with_their_manifest(stage, other, tmp_path):
    finish(stage, "model")
    with other.running(force=True):
        assert not (other.folder / "model").exists()
    assert superseded(tmp_path, "build_data") == {"config.yaml", "manifest.json", "model"}


def test_force_moves_aside_what_later_stages_have_made_of_the_old_products(stage, tmp_path):
    finish(stage, "set")
    finish(Stage("sft", stage.recipe, tmp_path), "model")
    with stage.running(force=True):
        pass
    assert (superseded(tmp_path, "sft") >= {"model"}, (tmp_path / "sft").exists()) == (True, False)


def test_unfinished_work_under_other_settings_is_moved_aside(stage, other, tmp_path):
    with pytest.raises(KeyboardInterrupt), stage.running():
        (stage.folder / "checkpoint").touch()
        raise KeyboardInterrupt
    with other.running():
        pass
    assert "checkpoint" in superseded(tmp_path, "build_data")


@pytest.mark.parametrize(
    "setting",
    [
        {"save_total_limit": 7},
        {"save_steps": 7},
        {"logging_steps": 7},
        {"report_to": ["wandb"]},
        {"disable_tqdm": True},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_what_cannot_change_the_weights_makes_nothing_stale(tmp_path, setting):
    with Stage("sft", load_recipe("nano"), tmp_path).running():
        pass
    (name, value), *_ = setting.items()
    assert Stage("sft", load_recipe("nano", {f"sft.trainer.{name}": value}), tmp_path).is_current()


def test_what_decides_which_checkpoint_is_chosen_makes_a_stage_stale(tmp_path):
    best = {"sft.trainer.load_best_model_at_end": True}
    with Stage("sft", load_recipe("nano", best), tmp_path).running():
        pass
    assert not Stage("sft", load_recipe("nano", best | {"sft.trainer.save_steps": 7}), tmp_path).is_current()


def test_two_runs_never_write_one_folder_at_once(stage):
    with stage.running(), pytest.raises(RunLockedError, match="another process is writing"), stage.running():
        pass


def test_a_locked_folder_keeps_what_the_first_run_writes(stage):
    with stage.running():
        (stage.folder / "product").touch()
        with pytest.raises(RunLockedError), stage.running():
            pass
        assert (stage.folder / "product").exists()


def test_a_missing_earlier_stage_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(MissingStageError, match=r"needs stage 'build_data' .* --to build_data"):
        open_stage("sft", "nano", str(tmp_path))


def interrupt(stage: Stage) -> None:
    """What an interrupted training leaves: a checkpoint, and a manifest that says so."""
    with pytest.raises(KeyboardInterrupt), stage.running():
        (stage.folder / "checkpoints" / "checkpoint-20").mkdir(parents=True)
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "setting",
    [{"grpo.trainer.max_steps": 100}, {"grpo.trainer.save_total_limit": 9}, {"grpo.environment.A": "1"}],
    ids=["more steps", "checkpoints kept", "environment"],
)
def test_an_interrupted_training_goes_on_with(tmp_path, setting):
    interrupt(Stage("grpo", load_recipe("nano"), tmp_path))
    with Stage("grpo", load_recipe("nano", setting), tmp_path).running():
        assert (tmp_path / "grpo" / "checkpoints" / "checkpoint-20").exists()


def test_what_was_changed_for_a_resumed_training_stands_in_its_manifest(tmp_path):
    interrupt(Stage("grpo", load_recipe("nano"), tmp_path))
    stage = Stage("grpo", load_recipe("nano", {"grpo.trainer.max_steps": 100}), tmp_path)
    with stage.running():
        pass
    assert stage.read_manifest()["resumed_with"] == [{"grpo.trainer.max_steps": "60 → 100"}]


@pytest.mark.parametrize(
    "setting", [{"grpo.trainer.max_steps": 10}, {"grpo.trainer.learning_rate": 1e-5}], ids=["fewer steps", "rate"]
)
def test_checkpoints_of_other_settings_are_neither_used_nor_moved_unasked(tmp_path, setting):
    interrupt(Stage("grpo", load_recipe("nano"), tmp_path))
    stage = Stage("grpo", load_recipe("nano", setting), tmp_path)
    with pytest.raises(OtherSettingsError, match="has saved checkpoints with other settings"), stage.running():
        pass


def test_a_stage_that_was_asked_to_stop_is_interrupted(stage):
    with pytest.raises(StageStoppedError), stage.running():
        raise StageStoppedError
    assert stage.read_manifest()["status"] == "interrupted"


def test_other_questions_make_a_contest_stale(tmp_path):
    with Stage("kernel", load_recipe("nano"), tmp_path, parameters={"questions": "mine.csv"}).running():
        pass
    assert Stage("kernel", load_recipe("nano"), tmp_path).differences() == {"questions": "mine.csv → (not set)"}


@pytest.mark.parametrize("setting", [{"seed": 5}, {"data.nano.steps": [2, 9]}], ids=["seed", "data"])
def test_inputs_that_were_made_with_other_settings_are_refused(stage, tmp_path, setting):
    finish(stage, "set")
    with pytest.raises(OtherSettingsError, match=r"needs stage 'build_data' .*, which was made with other settings:"):
        open_stage("sft", "nano", str(tmp_path), setting)


def test_a_manifest_says_what_ran_where(stage):
    with stage.running():
        pass
    manifest = json.loads((stage.folder / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert {"git", "packages", "hardware", "started", "ended", "seconds", "peak_memory_gib", "seed"} <= manifest.keys()


def test_a_manifest_holds_nothing_of_the_environment(stage, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-token")
    with stage.running():
        pass
    assert "secret-token" not in (stage.folder / "manifest.json").read_text()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    with mount_small_disk(tmp_path / "disk", "64k") as folder:
        yield folder


def test_a_full_disk_is_named_and_what_was_saved_is_kept(small_disk):
    stage = Stage("build_data", load_recipe("nano"), small_disk)
    with pytest.raises(DiskFullError, match=r"make room, .* and run the same command again"), stage.running():
        (stage.folder / "saved").write_text("kept")
        (stage.folder / "large").write_bytes(bytes(200_000))
    assert (stage.folder / "saved").read_text() == "kept"


def test_a_manifest_without_a_gpu_has_no_peak_of_its_memory(stage, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # then importing it raises ImportError
    with stage.running():
        pass
    assert stage.read_manifest()["peak_gpu_memory_gib"] is None


def test_the_last_pace_stands_in_the_manifest(stage):
    with stage.running():
        ProgressFile(stage.folder, "step", 9).update(9, {TOKENS_PER_SECOND: 1234.5}, last=True)
    assert stage.read_manifest()["tokens_per_second"] == 1234.5


def test_a_stage_that_counts_no_tokens_has_no_pace(stage):
    with stage.running():
        ProgressFile(stage.folder, "row", 9).update(9, last=True)
    assert stage.read_manifest()["tokens_per_second"] is None


def test_the_pace_of_an_interrupted_run_is_not_taken_for_that_of_the_next(stage):
    with pytest.raises(KeyboardInterrupt), stage.running():
        ProgressFile(stage.folder, "step", 9).update(5, {TOKENS_PER_SECOND: 1234.5}, last=True)
        raise KeyboardInterrupt
    with stage.running():
        pass
    assert stage.read_manifest()["tokens_per_second"] is None


@pytest.mark.parametrize(("name", "current"), [("sft", True), ("evaluate", False)])
def test_where_answers_are_read_belongs_to_the_evaluation_and_to_no_training(tmp_path, name, current):
    with Stage(name, load_recipe("nano"), tmp_path).running():
        pass
    elsewhere = load_recipe("nano", {"sft.answers.answer_place": "after"})
    assert Stage(name, elsewhere, tmp_path).is_current() is current

"""A training set that does not suffice for one step is refused before anything is launched."""

import json

import polars
import pytest

from fastmath.recipe.load import load_recipe
from fastmath.training.sets import TooFewRowsError, require_kept_prompts, require_training_set


def write_sets(run_dir, rows: int) -> None:
    folder = run_dir / "build_data"
    folder.mkdir()
    for name in ("sft", "grpo"):
        polars.DataFrame({"problem": ["1+1"] * rows}).write_parquet(folder / f"{name}.parquet")
    (folder / "funnel.json").write_text(json.dumps({"mine": {"rows": 40, "kept": rows, "not drawn": 40 - rows}}))


# nano: 128 completions a step in groups of 8 are 16 prompts; 16 rows a step of SFT
@pytest.mark.parametrize(
    ("stage", "rows", "wanted"), [("grpo", 15, 16), ("grpo", 0, 16), ("sft", 15, 16), ("sft", 1, 16)]
)
def test_too_few_rows_are_refused_with_both_numbers(tmp_path, stage, rows, wanted):
    write_sets(tmp_path, rows)
    with pytest.raises(TooFewRowsError, match=f"has {rows} rows, and one step takes {wanted} "):
        require_training_set(stage, load_recipe("nano"), tmp_path)


@pytest.mark.parametrize(("stage", "rows"), [("grpo", 16), ("sft", 16)])
def test_a_set_for_a_single_step_suffices(tmp_path, stage, rows):
    write_sets(tmp_path, rows)
    require_training_set(stage, load_recipe("nano"), tmp_path)


def test_the_refusal_says_what_was_left_out(tmp_path):
    write_sets(tmp_path, 7)
    with pytest.raises(TooFewRowsError, match=r"mine: 40 rows, 7 kept \(33 not drawn\)"):
        require_training_set("grpo", load_recipe("nano"), tmp_path)


def test_more_processes_take_more_rows(tmp_path):
    write_sets(tmp_path, 31)
    recipe = load_recipe("nano", {"sft.trainer.per_device_train_batch_size": 16, "sft.accelerate": "cpu2"})
    with pytest.raises(TooFewRowsError, match="one step takes 32 "):
        require_training_set("sft", recipe, tmp_path)


def test_packed_rows_are_not_counted(tmp_path):
    write_sets(tmp_path, 1)
    require_training_set(
        "sft", load_recipe("nano", {"sft.trainer.packing": True, "sft.trainer.packing_strategy": "wrapped"}), tmp_path
    )


def test_oversampling_takes_as_many_prompts_that_are_not_in_the_batch(tmp_path):
    write_sets(tmp_path, 31)
    recipe = load_recipe("nano", {"grpo.oversampling": {}, "grpo.trainer.scale_rewards": "group"})
    with pytest.raises(TooFewRowsError, match=r"one step takes 32 .*, and as many for `grpo.oversampling`\)"):
        require_training_set("grpo", recipe, tmp_path)


def test_too_few_prompts_of_the_right_difficulty_are_refused_with_what_was_left_out(tmp_path):
    counts = {"kept": 15, "never solved": 7, "always solved": 3}
    with pytest.raises(TooFewRowsError, match=r"keeps 15 prompts, and one step takes 16 .*; 7 never solved, 3 always"):
        require_kept_prompts(counts, load_recipe("nano"), tmp_path)


def test_prompts_of_the_right_difficulty_for_a_single_step_suffice(tmp_path):
    require_kept_prompts({"kept": 16, "never solved": 7}, load_recipe("nano"), tmp_path)

"""Every notebook and the kernel, executed by papermill at a tiny size, and the form of the committed ones."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import polars
import pytest

from fastmath.recipe.load import REPOSITORY_FOLDER, load_recipe
from fastmath.runs.pipeline import run_stage
from fastmath.runs.stage import Stage, StageFailedError
from fastmath.runs.stages import NOTEBOOKS
from fastmath.training.rollout_log import read_completions
from helpers.tiny_recipe import TINY

SAMPLE_COLUMNS = [
    "problem_id",
    "sample",
    "text",
    "answer",
    "correct",
    "tokens",
    "reasoning_tokens",
    "finish_reason",
    "seed",
]


def papermill(notebook: str, output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", notebook, str(output), *arguments],
        cwd=REPOSITORY_FOLDER,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ.copy(),
        check=False,
    )


@pytest.mark.parametrize("path", NOTEBOOKS.values())
def test_a_notebook_starts_with_prose_and_a_parameters_cell_and_carries_no_output(path):
    cells = nbformat.read(REPOSITORY_FOLDER / path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert "parameters" in cells[1].metadata.tags
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS.values())
def test_a_notebook_holds_no_logic(path):
    cells = nbformat.read(REPOSITORY_FOLDER / path, as_version=4).cells
    for cell in cells:
        if cell.cell_type == "code":
            lines = cell.source.splitlines()
            assert len(lines) <= 16
            assert not any(line.strip().startswith(("def ", "class ", "try:")) for line in lines)


def test_every_stage_runs(tiny_run):
    _, results = tiny_run
    assert [(result.stage, result.outcome) for result in results] == [(stage, "done") for stage in NOTEBOOKS]


def test_every_executed_notebook_lies_in_the_run_folder(tiny_run):
    run_dir, _ = tiny_run
    assert {path.name for path in run_dir.glob("*.ipynb")} == {Path(path).name for path in NOTEBOOKS.values()}


@pytest.mark.parametrize(
    "folder",
    ["sft/model", "sft/first_epoch/model", "grpo/model", "quantize_awq/model", "quantize_awq/compressed"],
)
def test_published_weights_end_their_texts_as_the_base_model_does(tiny_run, folder):
    run_dir, _ = tiny_run
    own, trained = (
        json.loads((run_dir / path / "generation_config.json").read_text())["eos_token_id"]
        for path in ("build_data/base_model", folder)
    )
    assert trained in (own, [own])


def test_a_second_run_does_nothing(tiny_run):
    run_dir, _ = tiny_run
    results = [run_stage(stage, "nano", run_dir, TINY) for stage in NOTEBOOKS]
    assert {result.outcome for result in results} == {"unchanged"}


def test_the_report_has_every_model_and_budget(tiny_run):
    run_dir, _ = tiny_run
    report = json.loads((run_dir / "report.json").read_text())
    assert {"recipe", "seed", "commit", "wall_seconds", "peak_memory_gib", "models", "kernel"} <= report.keys()
    assert [model["name"] for model in report["models"]] == ["sft-epoch-1", "sft", "grpo", "awq"]
    budgets = [[entry["token_budget"] for entry in model["budgets"]] for model in report["models"]]
    # the largest, and those of the two shares that differ from it and from each other
    assert budgets == [sorted(set(budgets[0]), reverse=True)] * 4


def test_samples_are_stored_one_row_each(tiny_run):
    run_dir, _ = tiny_run
    samples = polars.read_parquet(run_dir / "evaluate" / "samples-grpo.parquet")
    # 6 problems, 4 samples each
    assert (len(samples), samples.columns) == (24, SAMPLE_COLUMNS)


def test_metrics_stand_under_trl_s_own_names(tiny_run):
    run_dir, _ = tiny_run
    metrics = polars.read_ndjson(run_dir / "grpo" / "metrics.jsonl", infer_schema_length=None)
    assert {"step", "reward", "completions/mean_length", "rewards/length_among_right/mean"} <= set(metrics.columns)


def test_a_few_completions_of_every_step_are_kept(tiny_run):
    run_dir, _ = tiny_run
    assert [each.step for each in read_completions(run_dir / "grpo")] == [1] * 4 + [2] * 4


@pytest.mark.parametrize("name", ["02_sft", "03_grpo", "04_reward_curves", "06_evaluate", "kernel"])
def test_an_executed_notebook_holds_figures_that_need_no_kernel_and_no_script(tiny_run, name):
    run_dir, _ = tiny_run
    path = run_dir / f"{name}.ipynb"
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < 2_000_000  # plotly's script alone has 5 MB


def test_the_kernel_answers_every_question_with_a_typed_answer(tiny_run):
    run_dir, _ = tiny_run
    submission = polars.read_parquet(run_dir / "kernel" / "submission.parquet")
    assert dict(submission.schema) == {"id": polars.String, "answer": polars.Int64}
    assert len(submission) == 4


def test_the_contest_stands_beside_full_votes_on_its_clock_and_the_replay_of_its_own_votes(tiny_run):
    run_dir, _ = tiny_run
    kernel = json.loads((run_dir / "report.json").read_text())["kernel"]
    assert kernel["full_vote_same_clock"]["by_vote"] + kernel["full_vote_same_clock"]["by_fallback"] == 4
    # The evaluation has recorded four samples of six problems.
    assert [kernel["replay"][name] for name in ("problems", "questions", "samples")] == [6, 4, 4]
    assert (run_dir / "kernel" / "limits.png").exists()


def test_no_held_out_problem_is_trained_on(tiny_run):
    run_dir, _ = tiny_run
    held_out = set(polars.read_parquet(run_dir / "build_data" / "test.parquet")["problem"])
    for name in ("sft", "grpo"):
        assert not held_out & set(polars.read_parquet(run_dir / "build_data" / f"{name}.parquet")["problem"])


def test_a_stage_runs_by_papermill_alone(tmp_path):
    finished = papermill(
        "notebooks/01_build_data.ipynb", tmp_path / "out.ipynb", "-p", "run_dir", str(tmp_path / "run"),
        "-y", yaml_of(TINY),
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert (tmp_path / "run" / "build_data" / "sft.parquet").exists()


def yaml_of(overrides: dict[str, object]) -> str:
    return "overrides:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in overrides.items())


def test_a_notebook_with_other_settings_than_its_finished_stage_changes_nothing(tiny_run, tmp_path):
    run_dir, _ = tiny_run
    before = {path: path.stat().st_mtime_ns for path in (run_dir / "grpo").rglob("*")}
    finished = papermill(
        "notebooks/03_grpo.ipynb", tmp_path / "out.ipynb", "-p", "run_dir", str(run_dir),
        "-y", yaml_of(TINY | {"grpo.trainer.learning_rate": 1e-5}),
    )  # fmt: skip
    assert finished.returncode != 0
    assert "grpo.trainer.learning_rate: 0.0004 → 1e-05" in finished.stderr
    assert {path: path.stat().st_mtime_ns for path in (run_dir / "grpo").rglob("*")} == before


def test_force_makes_a_notebook_s_stage_anew_and_keeps_what_was_there(tiny_run, tmp_path):
    run_dir, _ = tiny_run
    for stage in ("sft", "grpo", "reward_curves"):
        shutil.copytree(run_dir / stage, tmp_path / "run" / stage)
    finished = papermill(
        "notebooks/04_reward_curves.ipynb", tmp_path / "out.ipynb", "-p", "run_dir", str(tmp_path / "run"),
        "-p", "force", "True", "-y", yaml_of(TINY),
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-2000:]
    kept = next((tmp_path / "run" / "superseded").glob("*-reward_curves/reward_curves"))
    assert {path.name for path in kept.iterdir()} == {path.name for path in (run_dir / "reward_curves").iterdir()}


def test_a_failed_notebook_says_which_stage_failed_and_where_it_lies(tmp_path):
    with pytest.raises(StageFailedError, match=r"(?s)stage 'sft' failed in cell .*MissingStageError.*02_sft\.ipynb"):
        run_stage("sft", "nano", tmp_path, TINY)


def test_a_changed_setting_makes_only_its_stage_and_the_later_ones_stale(tiny_run):
    run_dir, _ = tiny_run
    recipe = load_recipe("nano", TINY | {"grpo.trainer.max_steps": 3})
    current = {name: Stage(name, recipe, run_dir).is_current() for name in ("build_data", "sft", "grpo")}
    assert current == {"build_data": True, "sft": True, "grpo": False}

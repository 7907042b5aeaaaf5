"""Exploring curves with a kernel: what the controls change. How a browser does it is in `test_browser.py`."""

from pathlib import Path

import pytest

from fastmath.plots.explorer import CurveExplorer, choose_completions, explore_curves
from fastmath.plots.run_folders import UnknownRunError, choose_runs, find_runs
from helpers.made_training import make_completion, write_trainings


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `one`, of 30 steps, and `two`, of 20."""
    folder = tmp_path_factory.mktemp("runs")
    write_trainings(folder / "one", steps=30)
    write_trainings(folder / "two", steps=20, seed=1)
    return folder


@pytest.fixture
def explorer(runs: Path) -> CurveExplorer:
    return CurveExplorer(runs / "one")


def list_smoothed(explorer: CurveExplorer) -> list[list[float]]:
    return [list(trace.y) for trace in explorer.figure.data if trace.meta["of"] == "smoothed"]


def read_text(explorer: CurveExplorer) -> str:
    return explorer.widget.children[1].children[1].children[1].children[0].value


def test_the_run_itself_comes_first_among_those_beside_it(runs: Path) -> None:
    assert list(find_runs(runs / "two", "grpo")) == ["two", "one"]


def test_a_run_that_has_not_begun_is_drawn_empty(runs: Path) -> None:
    assert choose_runs(runs / "new", "grpo") == {"new": runs / "new" / "grpo"}


def test_an_unknown_run_is_refused_with_those_that_there_are(runs: Path) -> None:
    with pytest.raises(UnknownRunError, match=r"no grpo training in 'three' .* want some of one, two"):
        choose_runs(runs / "one", "grpo", ["three"])


def test_until_the_button_is_pressed_there_are_no_controls(runs: Path) -> None:
    offered = explore_curves(runs / "one")
    button, note = offered.children
    assert "needs a running kernel" in note.value
    button.click()
    assert len(offered.children) == 1


def test_smoothing_changes_the_lines_and_not_the_values(explorer: CurveExplorer) -> None:
    before = list_smoothed(explorer)
    explorer.window.value = 1
    values = [list(trace.y) for trace in explorer.figure.data if trace.meta["of"] == "values" and trace.mode == "lines"]
    assert list_smoothed(explorer) != before
    assert list_smoothed(explorer)[0] == pytest.approx(values[0], rel=1e-6)


def test_only_the_chosen_steps_are_drawn(explorer: CurveExplorer) -> None:
    explorer.span.value = (5, 12)
    reward = next(trace for trace in explorer.figure.data if trace.meta["of"] == "smoothed")
    assert list(reward.x) == list(range(5, 13))


def test_runs_are_chosen_by_name_and_keep_their_colours(explorer: CurveExplorer) -> None:
    explorer.runs.value = ("one", "two")
    both = {trace.meta["run"]: trace.line.color for trace in explorer.figure.data if trace.meta["of"] == "smoothed"}
    explorer.runs.value = ("two",)
    alone = {trace.meta["run"]: trace.line.color for trace in explorer.figure.data if trace.meta["of"] == "smoothed"}
    assert alone == {"two": both["two"]}


def test_without_a_run_nothing_is_drawn(explorer: CurveExplorer) -> None:
    explorer.runs.value = ()
    assert explorer.figure.data == ()


def test_a_step_shows_its_completions_escaped_and_is_marked(explorer: CurveExplorer) -> None:
    explorer.step.value = 5
    assert read_text(explorer).count('class="completion"') == 3
    assert "<script>" not in read_text(explorer)
    assert explorer.figure.layout.shapes[-1].x0 == 5


def test_completions_are_filtered_by_their_outcome(explorer: CurveExplorer) -> None:
    explorer.step.value = 5
    explorer.shown.value = "cut"
    assert read_text(explorer).count('class="completion"') == 1
    assert "and again" in read_text(explorer)


def test_a_run_without_completions_says_so(tmp_path: Path) -> None:
    run_dir = write_trainings(tmp_path / "run", steps=10)
    (run_dir / "grpo" / "completions.jsonl").unlink()
    explorer = CurveExplorer(run_dir)
    explorer.step.value = 5
    assert "grpo.logged_completions" in read_text(explorer)


def test_an_outcome_that_no_completion_has_leaves_none() -> None:
    assert choose_completions([make_completion(1)], 1, "wrong") == []

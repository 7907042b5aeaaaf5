"""The completions of GRPO's steps that a page holds."""

from pathlib import Path

import pytest

from fastmath.page.completions import choose_steps, gather_completions
from fastmath.page.run_folders import Run, read_runs


def test_every_n_th_step_is_kept_and_always_the_last() -> None:
    assert choose_steps([1, 2, 3, 4, 5, 6, 7], 3) == [1, 4, 7]


def test_all_steps_are_kept_where_they_are_few(run: Run) -> None:
    found = gather_completions([run])
    assert (found.logged, found.shown, [step for step, _ in found.steps["alpha"]]) == (60, 60, list(range(1, 61)))


def test_a_completion_comes_with_what_it_earned(run: Run) -> None:
    right = gather_completions([run]).steps["alpha"][0][1][0]
    assert (right["outcome"], right["rewards"], right["parts"][1]) == ("right", {"cosine": 0.75}, ("3",))


def test_of_a_long_training_some_steps_are_kept_and_that_is_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastmath.page.completions.MOST_COMPLETIONS", 60)
    # 180 completions of 60 steps, of which 60 fit: every third step.
    found = gather_completions([run])
    assert (found.logged, found.shown, found.steps["alpha"][-1][0]) == (60, 20, 60)


def test_a_run_without_logged_completions_has_none(tmp_path: Path) -> None:
    (tmp_path / "grpo").mkdir()
    assert gather_completions(read_runs([tmp_path])).steps == {}

"""Progress files: what they say, and at what pace."""

import json

import pytest

from fastmath.runs.progress import Progress, ProgressFile, format_figure, format_seconds, read_progress


def at(done: int, total: int | None = 90, began_at: int = 40, **fields) -> Progress:
    """Begun at second 100 with `began_at` done; the state of second 120."""
    return Progress(unit="step", done=done, total=total, began=100.0, began_at=began_at, updated=120.0, **fields)


def test_the_time_left_counts_from_where_this_process_began():
    # 10 steps in 20 s are 2 s a step; 40 steps are left
    assert at(50).seconds_left(now=120.0) == pytest.approx(80.0)


def test_the_time_since_the_last_state_is_taken_off():
    # 80 s less the 5 s that have passed
    assert at(50).seconds_left(now=125.0) == pytest.approx(75.0)


@pytest.mark.parametrize("progress", [at(40), at(50, total=None)], ids=["nothing done", "no total"])
def test_without_a_pace_or_a_total_no_time_is_guessed(progress):
    assert progress.seconds_left(now=120.0) is None


def test_a_line_says_all_there_is_to_say():
    line = at(50, label="one epoch", figures={"loss": 0.41234, "tokens/s": 1234.6}).describe(now=120.0)
    assert line == "step 50 of 90 (one epoch) · loss 0.412 · tokens/s 1,235 · 0:20 elapsed · 1:20 left"


def test_a_file_is_read_as_it_was_written(tmp_path):
    ProgressFile(tmp_path, "sample", 12).update(5, {"tokens/s": 3.5}, last=True)
    progress = read_progress(tmp_path)
    assert (progress.done, progress.total, progress.figures) == (5, 12, {"tokens/s": 3.5})


def test_states_within_a_second_are_not_written(tmp_path):
    file = ProgressFile(tmp_path, "sample", 12)
    file.update(5)
    assert read_progress(tmp_path).done == 0


def test_nan_is_written_as_null(tmp_path):
    ProgressFile(tmp_path, "step", 2).update(1, {"loss": float("nan")}, last=True)
    assert json.loads((tmp_path / "progress.json").read_text())["figures"] == {"loss": None}


def test_work_goes_on_where_its_progress_cannot_be_written(tmp_path, caplog):
    ProgressFile(tmp_path / "nowhere", "step", 2).update(1, last=True)
    assert "the progress cannot be written" in caplog.text


def test_without_a_file_there_is_no_progress(tmp_path):
    assert read_progress(tmp_path) is None


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (42.4, "0:42"), (725, "12:05"), (11045, "3:04:05")])
def test_durations_are_written_as_on_a_clock(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(0.41234, "0.412"), (1234.6, "1,235"), (None, "?"), (0.0003, "0.0003")])
def test_figures_have_three_digits(value, text):
    assert format_figure(value) == text

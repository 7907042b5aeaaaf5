"""The contest report: its table, and a figure of fifty questions as of one."""

from pathlib import Path

import matplotlib
import pytest

from fastmath.plots.contest import describe_votes, plot_contest, read_answers, tabulate_contest
from fastmath.plots.style import save_figure

matplotlib.use("Agg")


def record(index: int, **changes: object) -> dict:
    return {
        "id": f"q{index}",
        "answer": 7,
        "reason": ("posterior", "clock", "deadline", "error")[index % 4],
        "votes": [3, 7, 7],
        "samples": 4,
        "tokens": 1234,
        "seconds": 2.0,
        "share_seconds": 2.5,
        "deadline_seconds": 5.0,
        "elapsed_seconds": 2.0 * (index + 1),
        "error": None,
        "started_seconds": 2.0 * index,
        "bank_seconds": 0.5 * index,
    } | changes


def test_votes_are_counted_the_most_frequent_first() -> None:
    assert describe_votes([3, 7, 7]) == "7×2 3"


def test_of_equals_the_answer_given_first_comes_first() -> None:
    assert describe_votes([3, 7]) == "3 7"


def test_the_table_has_a_row_a_question_with_all_that_is_reported() -> None:
    table = tabulate_contest([record(0), record(1)], {"q0": 7, "q1": 8})
    assert table.columns[2:] == [
        *("answer", "right", "votes", "samples", "stopped by", "tokens", "seconds", "share (s)", "bank (s)", "error")
    ]
    assert table["right"].to_list() == [True, False]
    assert table["bank (s)"].to_list() == [0.0, 0.5]


def test_without_known_answers_nothing_is_right_or_wrong() -> None:
    assert tabulate_contest([record(0)])["right"].to_list() == [None]


@pytest.mark.parametrize("count", [1, 50])
def test_the_figure_has_a_bar_a_question_and_the_time_bank_below(tmp_path: Path, count: int) -> None:
    figure = plot_contest([record(index) for index in range(count)], limit=120.0, answers={"q0": 8})
    timeline, bank = figure.axes
    assert len(timeline.patches) == count
    assert len(bank.lines[0].get_xdata()) == count + 1
    save_figure(figure, tmp_path / "contest.png")
    assert (tmp_path / "contest.png").stat().st_size > 10_000


def test_the_headline_counts_answers_in_time_by_vote_and_by_fallback() -> None:
    records = [record(0), record(1, answer=9), record(2, votes=[])]
    # The third question was answered at 6 s, by the fallback; the second is wrong.
    figure = plot_contest(records, limit=5.0, answers={"q0": 7, "q1": 7, "q2": 7})
    told = "2 of 3 questions answered in time, 2 by a vote and 1 by the fallback, 1 right by vote"
    assert figure.axes[0].get_title(loc="left") == told


def test_a_fallback_is_not_right_by_chance() -> None:
    table = tabulate_contest([record(0, votes=[])], {"q0": 7})
    assert table["right"].to_list() == [False]


def test_known_answers_are_read_by_question(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text("id,problem,answer\n007,What?,7\n008,Who?,\n")
    assert read_answers(path) == {"007": 7}
    path.write_text("id,problem\n007,What?\n")
    assert read_answers(path) == read_answers(tmp_path / "missing.csv") == {}

"""The contest's journal as interactive figures: what they hold."""

from typing import Any

import pytest

from fastmath.plots.contest_timeline import describe_question, list_vote_times, plot_contest_timeline, plot_votes


def make_record(index: int, **changes: Any) -> dict[str, Any]:
    """A question of 2 s that begins at 2 s times its number, with votes 0.5, 1 and 1.5 s later."""
    start = 2.0 * index
    return {
        "id": f"q{index}", "answer": 7, "reason": ("posterior", "deadline")[index % 2], "votes": [3, 7, 7],
        "samples": 4, "tokens": 1234, "seconds": 2.0, "share_seconds": 2.5, "deadline_seconds": 5.0,
        "elapsed_seconds": start + 2, "error": None, "started_seconds": start, "bank_seconds": 0.5 * index,
        "vote_seconds": [start + 0.5, start + 1.0, start + 1.5],
    } | changes  # fmt: skip


RECORDS = [make_record(index) for index in range(4)]


def test_each_question_is_a_bar_in_the_group_of_what_stopped_it() -> None:
    figure = plot_contest_timeline(RECORDS, limit=10.0)
    bars = {
        trace.name: list(zip(trace.y, trace.base, trace.x, strict=True)) for trace in figure.data if trace.type == "bar"
    }
    assert bars == {
        "posterior (2)": [("1. q0", 0.0, 2.0), ("3. q2", 4.0, 2.0)],
        "deadline (2)": [("2. q1", 2.0, 2.0), ("4. q3", 6.0, 2.0)],
    }


def test_the_bank_stands_below() -> None:
    bank = next(trace for trace in plot_contest_timeline(RECORDS, 10.0).data if trace.meta == {"of": "bank"})
    assert list(zip(bank.x, bank.y, strict=True)) == [(0.0, 0.0), (2.0, 0.0), (4.0, 0.5), (6.0, 1.0), (8.0, 1.5)]


def test_right_and_wrong_answers_are_marked_where_they_are_known() -> None:
    figure = plot_contest_timeline(RECORDS, 10.0, {"q0": 7, "q1": 8})
    marked = {trace.name: list(trace.y) for trace in figure.data if trace.meta["of"] in ("right", "wrong")}
    assert marked == {"right (1)": ["1. q0"], "wrong (1)": ["2. q1"]}


def test_an_allotment_ends_with_the_contest() -> None:
    allotted = plot_contest_timeline([RECORDS[3]], 10.0).data[0]
    # begun at 6 s, its share at 6 + 2.5 s, its deadline at 6 + 5 s, after the contest's end
    assert list(allotted.x) == [6.0, 8.5, 10.0, None]


def test_of_a_question_is_told_why_it_stopped() -> None:
    told = describe_question(make_record(1, error="<b>gone</b>"), {"q1": 8}).split("<br>")
    assert told == [
        "<b>q1</b>: answer 7, wrong (gold 8)",
        "votes: 7×2 3 (3 of 4 samples)",
        "2.00 s of 2.50 s even share, 1,234 tokens",
        "stopped by deadline: the question's time was over",
        "error: &lt;b&gt;gone&lt;/b&gt;",
    ]


def test_votes_are_counted_by_answer_over_the_time_of_the_question() -> None:
    lines = {trace.meta["answer"]: (list(trace.x), list(trace.y)) for trace in plot_votes([RECORDS[2]]).data}
    assert lines == {7: ([0.0, 1.0, 1.5], [0, 1, 2]), 3: ([0.0, 0.5], [0, 1])}


@pytest.mark.parametrize("changes", [{"vote_seconds": []}, {"vote_seconds": [4.5]}])
def test_votes_without_times_are_counted_by_their_number(changes: dict[str, Any]) -> None:
    assert list_vote_times(make_record(2, **changes)) == [1.0, 2.0, 3.0]


def test_a_menu_chooses_the_question() -> None:
    figure = plot_votes(RECORDS[:2])
    assert [trace.visible for trace in figure.data] == [True, True, False, False]
    second = figure.layout.updatemenus[0].buttons[1]
    assert second.label == "2. q1: deadline"
    assert second.args[0] == {"visible": [False, False, True, True]}


def test_what_other_rules_would_have_done_stands_below_the_question_s_own_lines() -> None:
    figure = plot_votes(RECORDS[:2], others={"q1": ["full would have answered 3 < 7"]})
    own, other = (button.args[1]["annotations"][0]["text"] for button in figure.layout.updatemenus[0].buttons)
    assert "would have" not in own
    assert other.endswith("<br>full would have answered 3 &lt; 7")


@pytest.mark.parametrize("plot", [lambda records: plot_contest_timeline(records, 10.0), plot_votes])
def test_a_contest_without_questions_is_drawn_empty(plot: Any) -> None:
    assert plot([]).to_json()

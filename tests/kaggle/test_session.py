"""The process of a contest that is not scored: what counts as finished, and what it shows."""

import json
from pathlib import Path

import pytest

from fastmath.kaggle import session
from fastmath.kaggle.results import compare_with_full_votes, describe_outcome, describe_pace
from fastmath.kaggle.showing import LIMITS_FIGURE, LIMITS_TABLE, show_limits
from fastmath.replay.other_rules import RuleOutcome


def test_a_contest_that_could_not_be_drawn_has_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A contest that leaves no report has nothing that could be drawn.
    monkeypatch.setattr(session, "play_contest", lambda *_: None)
    (tmp_path / "inputs").mkdir()
    contest = {"recipe": "nano", "run_dir": str(tmp_path / "run"), "overrides": {}, "force": False, "questions": ""}
    with pytest.raises(FileNotFoundError):
        session.play(contest | {"inputs": str(tmp_path / "inputs"), "started": 0.0})
    assert json.loads((tmp_path / "run" / "kernel" / "manifest.json").read_text())["status"] == "failed"


REPORT = {
    **{"questions": 50, "answered": 50, "by_vote": 48, "by_fallback": 2, "right_by_vote": 46, "tokens": 900},
    **{"seconds": 5.9, "limit_seconds": 6.0, "tokens_full_vote": 2_000, "correct_full_vote": 48},
    "seconds_full_vote": 10.0,
    "full_vote_same_clock": {
        **{"answered": 50, "by_vote": 1, "by_fallback": 49, "right_by_vote": 1},
        **{"tokens": 1_200, "seconds": 6.0},
    },
}


def test_full_votes_on_the_same_clock_and_without_one_stand_beside_the_kernel() -> None:
    table = compare_with_full_votes(REPORT)
    assert table[""].to_list() == ["this kernel", "full vote, same clock", "full vote, no clock"]
    assert table["right by vote"].to_list() == [46, 1, 48]
    assert table["by fallback"].to_list() == [2, 49, None]


def test_where_no_full_votes_were_played_the_kernel_stands_alone() -> None:
    missing = dict.fromkeys(("tokens_full_vote", "correct_full_vote", "seconds_full_vote", "full_vote_same_clock"))
    assert compare_with_full_votes(REPORT | missing).height == 1


def test_an_engine_that_has_kept_its_pace_is_no_news() -> None:
    # 2,000 tokens / 10 s and 1,200 / 6 s: 200 a second both times.
    assert describe_pace(REPORT) == []


def test_an_engine_that_has_become_slower_is_told_of() -> None:
    # 900 / 6 s = 150 a second, a share of 0.75.
    votes = REPORT["full_vote_same_clock"] | {"tokens": 900}
    (told,) = describe_pace(REPORT | {"full_vote_same_clock": votes})
    assert told.startswith("The engine drew 200 tokens a second in the full votes that set the limit and 150 in those")


@pytest.mark.parametrize(
    ("answer", "right", "votes", "told"),
    [
        (
            12,
            True,
            4,
            "aimo3 would have answered 12 (right) on 4 votes of 8 samples, 1,310 tokens: enough samples agree",
        ),
        (13, False, 4, "aimo3 would have answered 13 (wrong) on 4 votes of"),
        (None, False, 0, "aimo3 would have answered the fallback on 0 votes of"),
    ],
)
def test_another_rule_is_told_of_in_a_line(answer: int | None, right: bool, votes: int, told: str) -> None:
    outcome = RuleOutcome("aimo3", answer, right, "agreement", samples=8, votes=votes, tokens=1310, steps=40)
    assert describe_outcome(outcome).startswith(told)


def test_the_notebook_shows_the_replay_s_figure_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / LIMITS_TABLE).write_text("Nothing is replayed.")
    assert [shown.data for shown in show_limits(tmp_path)] == ["Nothing is replayed."]
    (tmp_path / LIMITS_FIGURE).write_bytes(b"")
    assert len(show_limits(tmp_path)) == 2

"""The replay over limits: its figure, its table and its words."""

from pathlib import Path
from typing import Any

import pytest

from fastmath.plots.limits import describe_limits, find_share, plot_limits, tabulate_limits
from fastmath.plots.style import save_figure

LIMITS = (0.2, 0.6, 1.0)


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 1, "high": value + 1}


def points(*right: float) -> list[dict[str, Any]]:
    return [
        {"limit": limit, "right": estimate(value), "by_vote": value + 2, "tokens_share": limit / 2}
        for limit, value in zip(LIMITS, right, strict=True)
    ]


REPLAY = {
    "problems": 200,
    "questions": 50,
    "contests": 20,
    "samples": 16,
    "unlimited": estimate(48.0),
    "rules": {"default": points(15, 46, 48), "full": points(0, 1, 48), "aimo3": points(3, 41, 48)},
    "gains": {
        "full": [estimate(15), estimate(45), estimate(0)],
        "aimo3": [estimate(12), estimate(5), estimate(0)],
        "full, no clock": [estimate(-33), estimate(-2), estimate(0)],
    },
}
CONTEST = {
    "limit_seconds": 6.1,
    "seconds_full_vote": 10.0,
    "right_by_vote": 47,
    "full_vote_same_clock": {"right_by_vote": 2},
}


def test_the_figure_has_a_line_a_rule_the_full_vote_without_a_clock_and_what_was_played(tmp_path: Path) -> None:
    figure = plot_limits(REPLAY, CONTEST)
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines == {
        "this kernel": [15, 46, 48],
        "full vote, same clock": [0, 1, 48],
        "AIMO3's public kernels": [3, 41, 48],
        "full vote, no clock": [48, 48],
        "contest played here": [47],
        "full vote played here": [2],
    }
    save_figure(figure, tmp_path / "limits.png")
    assert (tmp_path / "limits.png").stat().st_size > 10_000


def test_the_title_tells_the_limit_nearest_to_the_contest_s() -> None:
    # 6.1 of 10 s: 0.61 is nearest to 0.6.
    title = plot_limits(REPLAY, CONTEST).axes[0].get_title(loc="left")
    assert title == "Right by vote at 0.6 of the time, of 50 questions: this kernel 46.0 · full vote, same clock 1.0"


@pytest.mark.parametrize("contest", [None, CONTEST | {"seconds_full_vote": None}])
def test_without_measured_full_votes_no_contest_is_a_point(contest) -> None:
    labels = [line.get_label() for line in plot_limits(REPLAY, contest).axes[0].lines]
    assert not any("played" in label for label in labels)


def test_the_table_has_a_row_a_limit_with_paired_gains() -> None:
    table = tabulate_limits(REPLAY)
    assert table.row(1, named=True) == {
        "limit": "0.6",
        "this kernel": "46.0 [45.0, 47.0]",
        "full vote, same clock": "1.0 [0.0, 2.0]",
        "AIMO3's public kernels": "41.0 [40.0, 42.0]",
        "gain over full vote, same clock": "+45.0 [+44.0, +46.0]",
        "gain over full vote, no clock": "-2.0 [-3.0, -1.0]",
        "this kernel: by a vote": "48.0",
        "this kernel: tokens": "30%",
    }


def test_the_words_are_about_the_contest_s_own_limit() -> None:
    told = describe_limits(REPLAY, CONTEST)
    assert "Within 0.6 of the time that full votes take this kernel answers 48.0 by a vote, 46.0 [45.0, 47.0]" in told
    assert "on the same clock has 1.0 [0.0, 2.0] right; the gain over it is +45.0 [+44.0, +46.0]" in told


def test_a_contest_s_share_is_its_limit_over_what_full_votes_took() -> None:
    assert find_share(CONTEST) == pytest.approx(0.61)

"""Curves that redraw while a log is written; how a browser shows them is in `test_browser.py`."""

import time
from pathlib import Path
from typing import Any

import pytest

from fastmath.plots import live
from fastmath.plots.live import redraw_curves
from helpers.made_training import make_grpo_rows, write_rows

MIME = "application/vnd.plotly.v1+json"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is shown in a notebook: (name of the display, what it shows)."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name in ("display", "update_display"):
        monkeypatch.setattr(live, name, lambda bundle, display_id, raw: found.append((display_id, bundle)))
    return found


def count_steps(bundle: dict[str, Any]) -> int:
    """Number of steps of the reward, of which only their base64 is there: four bytes a value."""
    rewards = [trace for trace in bundle[MIME]["data"] if trace.get("meta", {}).get("metric") == "reward"]
    return max(
        (len(trace["y"]["bdata"]) * 3 // 4 // 4 for trace in rewards if trace["meta"]["of"] == "values"), default=0
    )


def test_the_last_drawing_has_all_steps_and_replaces_the_first(tmp_path: Path, shown: list) -> None:
    with redraw_curves({"run": tmp_path}, "grpo"):
        write_rows(tmp_path / "metrics.jsonl", make_grpo_rows(12))
    assert len({name for name, _ in shown}) == 1
    assert [count_steps(bundle) for _, bundle in (shown[0], shown[-1])] == [0, 12]


def test_a_training_that_fails_is_drawn_to_its_end_and_fails(tmp_path: Path, shown: list) -> None:
    with pytest.raises(RuntimeError, match="no memory"), redraw_curves({"run": tmp_path}, "grpo"):
        write_rows(tmp_path / "metrics.jsonl", make_grpo_rows(12))
        raise RuntimeError("no memory")
    assert count_steps(shown[-1][1]) == 12


def test_while_it_trains_it_is_drawn_again(tmp_path: Path, shown: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REDRAW_SECONDS", 0.01)
    with redraw_curves({"run": tmp_path}, "grpo"):
        write_rows(tmp_path / "metrics.jsonl", make_grpo_rows(12))
        while len(shown) < 3:
            time.sleep(0.01)
    assert count_steps(shown[2][1]) == 12


def test_figures_are_shown_by_plotly_s_own_type_with_words_for_other_readers(tmp_path: Path, shown: list) -> None:
    with redraw_curves({"run": tmp_path}, "sft"):
        pass
    assert set(shown[0][1]) == {MIME, "text/plain"}

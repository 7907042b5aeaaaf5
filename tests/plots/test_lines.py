"""Lines of trainings, as notebooks and pages draw them."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastmath.plots.lines import make_curve_set, read_curve_set
from fastmath.plots.marks import read_marks
from fastmath.plots.panels import MAIN_METRICS, list_panels
from helpers.made_training import make_grpo_rows, make_sft_rows, write_trainings

ROWS = list(make_grpo_rows(40))


def test_every_reward_has_a_panel_of_its_own() -> None:
    titles = [panel.title for panel in list_panels("grpo", ROWS[1])]
    assert [title for title in titles if title.startswith("Reward: ")] == [
        "Reward: boxed before think end", "Reward: cosine", "Reward: group length",
    ]  # fmt: skip


def test_what_was_not_logged_is_named_with_its_reason() -> None:
    without = [{name: value for name, value in row.items() if name != "kl"} for row in ROWS]
    absent = make_curve_set({"run": without}, "grpo").describe_absent()
    assert absent == (
        "Not logged: KL divergence from the start (`grpo.trainer.beta` is 0, so that no reference model is asked)."
    )


def test_a_reward_has_a_band_of_one_standard_deviation() -> None:
    (curves,) = make_curve_set({"run": [{"step": 1, "reward": 1.0, "reward_std": 0.25}]}, "grpo").curves
    line = curves.lines["reward"]
    assert (line.low.tolist(), line.high.tolist()) == ([0.75], [1.25])


def test_a_validation_is_not_smoothed_and_has_its_interval() -> None:
    (curves,) = make_curve_set({"run": ROWS}, "grpo").curves
    line = curves.lines["validation/pass@1"]
    assert line.steps.tolist() == [0, 10, 20, 30, 40]
    assert list(line.smoothed) == [1]
    assert line.values - line.low == pytest.approx(0.03)


def test_a_hole_stays_a_hole_in_the_smoothed_line() -> None:
    (curves,) = make_curve_set({"run": ROWS}, "grpo").curves
    line = curves.lines["kl"]
    holes = [line.steps[np.isnan(values)].tolist() for values in (line.values, line.smoothed[9])]
    assert holes == [[7], [7]]


def test_a_span_leaves_out_the_other_steps_and_smooths_as_before() -> None:
    whole, part = (
        make_curve_set({"run": ROWS}, "grpo", span=span).curves[0].lines["reward"] for span in (None, (10, 20))
    )
    assert part.steps.tolist() == list(range(10, 21))
    assert part.smoothed[5].tolist() == whole.smoothed[5][9:20].tolist()


def test_thinning_is_told() -> None:
    thinned = make_curve_set({"run": ROWS}, "grpo", limit=30)
    (curves,) = thinned.curves
    assert curves.drawn < curves.logged == 41
    assert thinned.describe_thinning().startswith(f"Drawn are run: {curves.drawn:,} of 41 steps")


def test_nothing_is_told_where_every_step_is_drawn() -> None:
    assert make_curve_set({"run": ROWS}, "grpo").describe_thinning() == ""


def test_all_lines_of_a_thinned_training_have_the_same_steps() -> None:
    (curves,) = make_curve_set({"run": ROWS}, "grpo", limit=30).curves
    assert curves.lines["reward"].steps.tolist() == curves.lines["entropy"].steps.tolist()


@pytest.mark.parametrize("rows", [[], [{"step": 1, "max_steps": 9}]])
def test_a_training_that_has_logged_nothing_has_no_lines(rows: list[dict[str, float]]) -> None:
    (curves,) = make_curve_set({"run": rows}, "grpo").curves
    assert (dict(curves.lines), curves.logged) == ({}, 0)


def test_a_training_of_one_step_has_one_point() -> None:
    (curves,) = make_curve_set({"run": list(make_sft_rows(1))}, "sft").curves
    assert curves.lines["loss"].values.shape == (1,)


def test_runs_of_different_lengths_have_the_same_windows() -> None:
    curve_set = make_curve_set({"long": ROWS, "short": ROWS[:12]}, "grpo")
    assert {tuple(curves.lines["reward"].smoothed) for curves in curve_set.curves} == {curve_set.windows}


def test_the_events_of_a_training_stand_in_the_order_of_their_steps(tmp_path: Path) -> None:
    folder = write_trainings(tmp_path, steps=60) / "grpo"
    assert [(mark.step, mark.kind) for mark in read_marks(folder)] == [
        (20, "checkpoint"), (30, "warning"), (40, "checkpoint"), (50, "product"), (60, "checkpoint"),
    ]  # fmt: skip


def test_a_product_between_two_models_is_told_as_such(tmp_path: Path) -> None:
    folder = write_trainings(tmp_path) / "grpo"
    (folder / "interpolation.json").write_text(json.dumps({"share": 0.6, "taken": True}))
    product = next(mark for mark in read_marks(folder) if mark.kind == "product")
    assert product.text == "the product lies 60% of the way to the model after step 50"


def test_a_run_without_a_training_of_the_kind_is_drawn_empty(tmp_path: Path) -> None:
    (curves,) = read_curve_set({"run": tmp_path / "grpo"}, "grpo").curves
    assert (curves.marks, curves.steps) == ((), (0, 0))


def test_only_the_metrics_that_are_asked_for_are_drawn() -> None:
    curve_set = make_curve_set({"run": ROWS}, "grpo", metrics=MAIN_METRICS["grpo"])
    assert [panel.metric for panel in curve_set.panels] == list(MAIN_METRICS["grpo"])

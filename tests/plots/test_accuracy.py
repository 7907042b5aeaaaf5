"""Accuracy against tokens."""

from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

from fastmath.evaluation.metrics import SampleArrays
from fastmath.evaluation.report import measure
from fastmath.plots.accuracy import make_budget_grid, plot_accuracy_against_tokens
from fastmath.plots.style import save_figure
from helpers.samples import make_arrays


def make_samples(seed: int, shortest: int) -> SampleArrays:
    rng = np.random.default_rng(seed)
    answers = rng.integers(-1, 2, (20, 4))
    tokens = rng.integers(shortest, 100, (20, 4))
    return make_arrays(answers, tokens)


def draw(samples: dict[str, SampleArrays], budgets: tuple[int, ...] = (100, 60, 42)) -> Figure:
    models = [
        {"name": name, "budgets": [measure(arrays, budget, 0) for budget in budgets]}
        for name, arrays in samples.items()
    ]
    return plot_accuracy_against_tokens({"seed": 0, "models": models}, samples)


def test_accuracy_is_drawn_for_every_model(tmp_path: Path) -> None:
    figure = draw({"sft": make_samples(0, 40), "grpo": make_samples(1, 10)})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sft", "grpo"]
    save_figure(figure, tmp_path / "figure.png")
    # 13 in at 200 dots an inch
    assert matplotlib.image.imread(tmp_path / "figure.png").shape[1] == 2600


def test_budgets_too_close_to_be_read_have_a_tick_without_a_label() -> None:
    figure = draw({"mine": make_samples(0, 40)}, (100, 90, 60, 55))
    # 100 / 90 and 60 / 55 are below 1.2
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["", "60", "", "100"]


def test_the_axis_begins_where_right_answers_do() -> None:
    tokens = np.full((20, 10), 60)
    answers = np.zeros((20, 10))
    tokens[0, 0] = 2  # one right sample in two hundred
    tokens[1], answers[1] = 5, 1  # ten short ones that are wrong
    assert make_budget_grid({"mine": make_arrays(answers, tokens)}, 100)[[0, -1]].tolist() == [54, 100]  # 0.9 x 60


def test_without_a_right_answer_the_axis_begins_with_one_token() -> None:
    assert make_budget_grid({"mine": make_arrays(np.ones((2, 2)))}, 100)[0] == 1


def test_the_last_panel_has_a_curve_and_not_three_points() -> None:
    samples = {"mine": make_samples(0, 40)}
    spent = draw(samples).axes[2].lines[0].get_xdata()
    # the largest budget cuts nothing
    assert spent[-1] == samples["mine"].tokens.mean()
    assert len(spent) == len(make_budget_grid(samples, 100))


def test_what_lies_on_another_curve_is_told_from_it() -> None:
    samples = {"grpo": make_samples(0, 40), "awq": make_samples(0, 40)}
    axis = draw(samples).axes[0]
    curves = [line for line in axis.lines if len(line.get_xdata()) > 3]
    # the later one lies on the earlier, and lets it be seen between its dots
    assert [line.is_dashed() for line in curves] == [False, True]

"""Accuracy against tokens."""

from pathlib import Path

import matplotlib.image
import numpy as np

from fastmath.evaluation.metrics import SampleArrays
from fastmath.evaluation.report import measure
from fastmath.plots.accuracy import plot_accuracy_against_tokens
from fastmath.plots.style import MODEL_COLOURS, choose_colours, save_figure
from helpers.samples import make_arrays


def make_samples(seed: int, shortest: int) -> SampleArrays:
    rng = np.random.default_rng(seed)
    answers = rng.integers(-1, 2, (20, 4))
    tokens = rng.integers(shortest, 100, (20, 4))
    return make_arrays(answers, tokens)


def test_accuracy_is_drawn_for_every_model(tmp_path: Path) -> None:
    samples = {"sft": make_samples(0, 40), "grpo": make_samples(1, 10)}
    models = [
        {"name": name, "budgets": [measure(arrays, budget, 0) for budget in (100, 60, 42)]}
        for name, arrays in samples.items()
    ]
    figure = plot_accuracy_against_tokens({"seed": 0, "models": models}, samples)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sft", "grpo"]
    save_figure(figure, tmp_path / "figure.png")
    # 13 in at 200 dots an inch
    assert matplotlib.image.imread(tmp_path / "figure.png").shape[1] == 2600


def test_budgets_too_close_to_be_read_have_a_tick_without_a_label(tmp_path: Path) -> None:
    samples = {"mine": make_samples(0, 40)}
    models = [{"name": "mine", "budgets": [measure(samples["mine"], budget, 0) for budget in (100, 90, 60, 55)]}]
    figure = plot_accuracy_against_tokens({"seed": 0, "models": models}, samples)
    # 100 / 90 and 60 / 55 are below 1.2
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["", "60", "", "100"]


def test_models_of_any_name_have_colours_of_their_own() -> None:
    colours = choose_colours(["grpo", "one", "two", "three", "four", "five"])
    assert len(set(colours.values())) == 6
    assert colours["grpo"] == MODEL_COLOURS["grpo"]

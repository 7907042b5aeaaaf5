"""The figure of the kernel's rule against the public ones, which a benchmark draws."""

import numpy as np
import pytest

from helpers.benchmarks import load_benchmark

plot_policies = load_benchmark("policies_plot").plot_policies
RULES, LIMITS = ["default", "full", "one", "two", "three"], (0.2, 1.0)
MEANS = {"default": (30, 43), "full": (10, 42), "one": (14, 41), "two": (11, 43), "three": (12, 42), "oracle": (40, 45)}


@pytest.fixture(scope="module")
def panels():
    """The panels for two models and three seeds, whose scores differ by one around the means."""
    means = np.array(list(MEANS.values()), dtype=float)  # (rules + oracle, limits)
    noise = np.array([[-1, 0, 1], [1, 0, -1]])  # (models, seeds)
    return plot_policies(means[:, :, None, None] + noise, RULES, LIMITS).axes


def read_lines(axis):
    return {line.get_label(): line.get_ydata().tolist() for line in axis.lines if not line.get_label().startswith("_")}


def test_few_rules_are_drawn_by_their_right_answers(panels):
    assert read_lines(panels[0]) == {
        "oracle": [40, 45],
        "default, this kernel's rule": [30, 43],
        "best public rule (one, two)": [14, 43],
        "full vote of 16": [10, 42],
    }


def test_gains_are_those_over_the_full_vote_and_only_of_rules_that_are_best_somewhere(panels):
    gains = {"default": [20, 1], "one": [4, -1], "two": [1, 1]}
    assert {name: values for name, values in read_lines(panels[1]).items() if name in RULES} == gains


def test_the_other_rules_are_one_band(panels):
    assert "the other 1 public rules" in [text.get_text() for text in panels[1].get_legend().get_texts()]

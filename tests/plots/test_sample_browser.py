"""Browsing samples: which are chosen, and how one is shown."""

import polars as pl
import pytest

from fastmath.plots.sample_browser import Choice, SampleBrowser, choose_samples, join_samples, render_sample
from helpers.sample_tables import PROBLEMS, SAMPLES

KNOWN = PROBLEMS.with_columns(pl.Series("family", ["sums", None], dtype=pl.String))


@pytest.fixture(scope="module")
def samples() -> pl.DataFrame:
    """Two models with the same four samples: right, cut, wrong, right."""
    return join_samples({"sft": SAMPLES, "grpo": SAMPLES}, KNOWN)


def test_each_sample_has_its_model_its_problem_and_its_outcome(samples: pl.DataFrame) -> None:
    assert samples["model"].to_list() == ["sft"] * 4 + ["grpo"] * 4
    assert samples["outcome"].to_list()[:4] == ["right", "cut", "wrong", "right"]
    assert samples["gold"].to_list()[:4] == ["7", "7", "11", "11"]


def test_a_sample_that_ended_without_a_box_has_no_answer() -> None:
    ended = SAMPLES.with_columns(finish_reason=pl.lit("stop"))
    assert join_samples({"sft": ended}, KNOWN)["outcome"].to_list()[1] == "no answer"


def test_what_the_problems_do_not_say_has_a_name_all_the_same(samples: pl.DataFrame) -> None:
    assert samples.select("set", "family").row(3) == ("held-out", "not said")


@pytest.mark.parametrize(
    ("choice", "tokens"),
    [
        (Choice(), [5, 9, 6, 7] * 2),
        (Choice(model="grpo", outcome="right"), [5, 7]),
        (Choice(model="sft", family="sums"), [5, 9]),
        (Choice(model="sft", tokens=(6, 7)), [6, 7]),
        (Choice(set="aime"), []),
    ],
)
def test_samples_are_chosen(samples: pl.DataFrame, choice: Choice, tokens: list[int]) -> None:
    assert choose_samples(samples, choice)["tokens"].to_list() == tokens


def test_a_sample_is_shown_escaped_and_with_its_box_marked() -> None:
    row = {
        "model": "<m>", "problem_id": "p", "sample": 0, "set": "<s>", "family": "f", "answer": "<7>", "gold": "7",
        "tokens": 5, "outcome": "wrong", "problem": "is 1 < 2?", "text": r"<script>1</script> \boxed{<7>}</think>",
    }  # fmt: skip
    shown = render_sample(row)
    assert not any(raw in shown for raw in ("<m>", "<s>", "<script>", "1 < 2"))
    assert shown.partition("<mark")[2].partition(">")[2].startswith("&lt;7&gt;</mark>")


def test_the_browser_goes_through_what_is_chosen(samples: pl.DataFrame) -> None:
    browser = SampleBrowser(samples)
    browser.choices["model"].value = "grpo"
    browser.choices["outcome"].value = "right"
    assert browser.place.max == 2
    browser.place.value = 2
    assert "5 + 6?" in browser.widget.children[2].children[0].value


def test_where_nothing_is_chosen_that_is_said(samples: pl.DataFrame) -> None:
    browser = SampleBrowser(samples)
    browser.tokens.value = (0, 1)
    assert browser.widget.children[2].children[0].value == "<i>none is like this</i>"
    browser.tokens.value = (0, 9)
    assert browser.place.value == 1


def test_the_outcomes_to_choose_from_are_those_that_there_are(samples: pl.DataFrame) -> None:
    assert [label for label, _ in SampleBrowser(samples).choices["outcome"].options] == [
        "all (8)", "right (4)", "wrong (2)", "cut (2)",
    ]  # fmt: skip

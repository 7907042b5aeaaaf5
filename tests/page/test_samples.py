"""The samples of a page: which are chosen, and that it says so."""

from collections import Counter

import polars as pl
import pytest

from fastmath.page.run_folders import Run
from fastmath.page.samples import SampleBrowser, browse_samples, choose_samples, scatter
from helpers.reported_run import HOSTILE, MODELS, PROBLEMS, SAMPLES


@pytest.fixture(scope="module")
def browser(run: Run) -> SampleBrowser:
    return browse_samples([run])


def make_samples(**outcomes: int) -> pl.DataFrame:
    rows = [(f"p{place}", 0, outcome) for outcome, count in outcomes.items() for place in range(count)]
    return pl.DataFrame(rows, schema=["problem_id", "sample", "outcome"], orient="row")


def test_every_outcome_is_among_the_chosen() -> None:
    # 20 // 3 = 6 for each: all 3 wrong ones, then 17 // 2 = 8 cut ones, then the 9 that are left.
    chosen = choose_samples(make_samples(right=100, wrong=3, cut=50), 20)
    assert Counter(chosen["outcome"]) == {"wrong": 3, "cut": 8, "right": 9}


def test_all_are_chosen_where_they_are_few() -> None:
    assert choose_samples(make_samples(right=4, wrong=1), 20).height == 5


def test_of_an_outcome_every_problem_has_one_before_any_has_two() -> None:
    rows = [(f"p{problem}", sample, "right") for problem in range(5) for sample in range(4)]
    chosen = choose_samples(pl.DataFrame(rows, schema=["problem_id", "sample", "outcome"], orient="row"), 5)
    assert sorted(chosen["problem_id"]) == [f"p{problem}" for problem in range(5)]


def test_two_models_are_shown_with_the_same_problems() -> None:
    first, second = (choose_samples(make_samples(right=count), 10) for count in (50, 50))
    assert first["problem_id"].to_list() == second["problem_id"].to_list()


def test_the_page_says_how_many_of_how_many_it_holds(browser: SampleBrowser) -> None:
    drawn = len(MODELS) * PROBLEMS * SAMPLES
    assert (browser.drawn, browser.shown, browser.shown < drawn) == (drawn, len(browser.rows), True)


def test_samples_of_a_problem_follow_each_other(browser: SampleBrowser) -> None:
    problems = [row["problem"] for row in browser.rows]
    assert list(dict.fromkeys(problems)) == sorted(set(problems), key=scatter)


def test_a_sample_comes_with_its_box_and_its_problem(browser: SampleBrowser) -> None:
    right = next(row for row in browser.rows if row["outcome"] == "right")
    boxes = [part[0] for part in right["parts"] if isinstance(part, tuple)]
    assert boxes == [right["answer"]] == [browser.problems[f"alpha/{right['problem']}"]["gold"]]


def test_texts_are_shortened_where_there_are_many_and_that_is_counted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastmath.page.samples.LONGEST_TEXT", 40)
    monkeypatch.setattr("fastmath.page.samples.SHORTEST_TEXT", 40)
    browser = browse_samples([run])
    shortened = [row for row in browser.rows if any(isinstance(part, int) for part in row["parts"])]
    assert 0 < browser.shortened == len(shortened)


def test_hostile_text_is_kept_as_text(browser: SampleBrowser) -> None:
    assert any(row["parts"][0].startswith(HOSTILE) for row in browser.rows)

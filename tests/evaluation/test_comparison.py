"""Two models on the same problems: differences, intervals, groups, and the words for them."""

import json
import logging

import numpy as np
import polars as pl
import pytest

from fastmath.evaluation.comparison import (
    ComparisonError,
    Difference,
    compare_groups,
    compare_samples,
    count_more_problems,
    estimate_differences,
    to_json,
)
from fastmath.evaluation.comparison_text import describe, render_groups_table, render_table
from fastmath.evaluation.formats.reading import read_samples_table
from fastmath.evaluation.metrics import NO_ANSWER, NOT_COUNTED, SampleArrays
from helpers.files import find, needs_shared
from helpers.samples import make_arrays

VOTES = find("shared/votes/aime2024.jsonl")
RIGHT, HALF, WRONG = [0, 0], [0, 1], [1, 1]


def test_differences_are_those_of_b_above_a() -> None:
    # pass@1 by problem: A 1/2 and 0, B 1 and 1/2; tokens 10 and 20 against 30 and 20; one of B's samples has no answer
    a = make_arrays([HALF, WRONG], [[10, 10], [20, 20]])
    b = make_arrays([RIGHT, [0, NO_ANSWER]], [[30, 30], [20, 20]])
    found = {name: item.difference for name, item in compare_samples(a, b, k=2).items()}
    assert found == pytest.approx(
        {
            "pass@1": (1 / 2 + 1 / 2) / 2,
            "majority@2": (1 / 2 + 1) / 2,  # A is tied in the first and loses the second, B wins both
            "pass@2": (0 + 1) / 2,
            "tokens": (20 + 0) / 2,
            "reasoning_tokens": (20 + 0) / 2,
            "answers_collected": (0 - 1 / 2) / 2,
        }
    )


def test_k_is_at_most_the_smaller_number_of_samples() -> None:
    a, b = make_arrays([[0, 1, 2, 3]]), make_arrays([[0, 1]])
    shares = {"pass@1", "majority@2", "pass@2", "answers_collected"}
    assert set(compare_samples(a, b)) == shares | {"tokens", "reasoning_tokens"}
    assert "majority@3" in compare_samples(a, a, k=3)


def test_problems_are_paired_by_their_ids() -> None:
    # the same problems in another order: nothing differs
    a = make_arrays([RIGHT, HALF, WRONG])
    assert all(item.difference == 0 for item in compare_samples(a, a.select(["p2", "p0", "p1"])).values())


def test_problems_of_one_model_alone_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    a, b = make_arrays([RIGHT, HALF, WRONG]), make_arrays([RIGHT, HALF])
    with caplog.at_level(logging.WARNING):
        assert compare_samples(a, b)["pass@1"].problems == 2
    assert "2 problems are compared; 1 of A alone and 0 of B alone are left out" in caplog.text


def test_models_without_a_problem_in_common_are_refused() -> None:
    with pytest.raises(ComparisonError, match="no problem stands in both: A has 1, beginning with 'p0', and B has 1"):
        compare_samples(make_arrays([RIGHT]), make_arrays([RIGHT], prefix="q"))


def test_tokens_that_nobody_counted_are_not_compared() -> None:
    a, b = make_arrays([RIGHT]), make_arrays([RIGHT], [[NOT_COUNTED, NOT_COUNTED]])
    assert "tokens" not in compare_samples(a, b)


def test_fewer_than_six_differing_problems_show_nothing() -> None:
    # the sign of five agrees by chance in 2 / 2^5 = 6 % of the cases, that of six in 3 %
    assert not estimate_differences({"pass@1": np.array([1.0] * 5 + [0.0] * 5)}, 0)["pass@1"].is_shown
    assert estimate_differences({"pass@1": np.array([1.0] * 6 + [0.0] * 4)}, 0)["pass@1"].is_shown


def test_the_rounding_of_equal_figures_is_no_difference() -> None:
    found = estimate_differences({"pass@1": np.full(30, 1e-16)}, 0)["pass@1"]
    assert found == Difference(0.0, 0.0, 0.0, 30, None)
    # 0.1 + 0.2 - 0.3 is 5.6e-17
    found = estimate_differences({"pass@1": np.tile([0.1, 0.2, -0.3], 10)}, 0)["pass@1"]
    assert (found.difference, found.more_problems) == (0.0, None)


def test_more_problems_are_those_of_a_power_of_80_percent() -> None:
    # half of them +0.6 and half -0.4: d = 0.1, s² = 30/29 · 0.5² = 0.2586; 2.8² · 0.2586 / 0.01 = 202.8, so 203 - 30
    assert count_more_problems(np.tile([0.6, -0.4], 15)) == 203 - 30


def test_more_problems_are_wanted_until_six_differ() -> None:
    # 2 of 30 differ, so 6 of 90; d = 1/15 and s² = 30/29 · (1/15 - 1/225) = 0.06437 want 2.8² · s² / d² = 113.5
    assert count_more_problems(np.array([1.0] * 2 + [0.0] * 28)) == 114 - 30
    # all 3 differ by the same: no spread, 6 - 3
    assert count_more_problems(np.ones(3)) == 3


def test_a_shown_difference_wants_no_more_problems_and_none_at_all_cannot_say() -> None:
    values = {"shown": np.full(20, 0.1), "nothing": np.tile([0.1, -0.1], 10)}
    found = estimate_differences(values, 0)
    assert (found["shown"].more_problems, found["nothing"].more_problems) == (0, None)


@needs_shared
def test_intervals_of_recorded_votes_agree_with_another_bootstrap() -> None:
    models = ("Qwen3-4B", "Qwen3-14B")
    a, b = (SampleArrays.from_frame(read_samples_table(VOTES, model)) for model in models)
    rows = [json.loads(line) for line in VOTES.read_text().splitlines()]
    shares = [
        [np.mean([text == row["gold"] for text in row["answers"]]) for row in rows if row["model"] == model]
        for model in models
    ]
    differences = np.subtract(shares[1], shares[0])
    rng = np.random.default_rng(9)
    means = [rng.choice(differences, len(differences)).mean() for _ in range(10_000)]
    found = compare_samples(a, b)["pass@1"]
    assert found.difference == pytest.approx(differences.mean())
    # the ends vary by about 0.03 of the standard error of 0.036
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.005)


PROBLEMS = pl.DataFrame(
    {
        "id": ["p0", "p1", "p2", "x"],
        "family": ["sum", "sum", None, "count"],
        "difficulty": ["hard", "easy", "easy", "easy"],
    }
)


def test_groups_are_the_kinds_that_the_problems_say() -> None:
    a, b = make_arrays([HALF, WRONG, WRONG]), make_arrays([RIGHT, HALF, WRONG])
    groups = compare_groups(a, b, PROBLEMS)
    # x is no problem of the models, so `count` has none
    assert {kind: list(values) for kind, values in groups.items()} == {
        "family": ["sum"],
        "difficulty": ["easy", "hard"],
    }
    # p1 rises by 1/2 and p2 by nothing
    easy = groups["difficulty"]["easy"]["pass@1"]
    assert (easy.problems, easy.difference) == (2, pytest.approx(1 / 4))


def test_json_has_the_metrics_and_the_groups() -> None:
    a, b = make_arrays([HALF, WRONG, WRONG]), make_arrays([RIGHT, HALF, WRONG])
    found = to_json(compare_samples(a, b), compare_groups(a, b, PROBLEMS))
    assert set(found["pass@1"]) == {"difference", "low", "high", "problems", "more_problems"}
    assert found["groups"]["family"]["sum"]["pass@1"]["problems"] == 2
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("name", "found", "sentence"),
    [
        ("pass@1", Difference(0.028, 0.007, 0.046, 200, 0), "pass@1 rises by 0.028 [0.007, 0.046]: shown."),
        (
            "majority@16",
            Difference(-0.02, -0.04, -0.005, 200, 0),
            "majority@16 falls by 0.020 [-0.040, -0.005]: shown, the majority is lost.",
        ),
        (
            "majority@16",
            Difference(-0.02, -0.05, 0.01, 200, 340),
            "majority@16 falls by 0.020 [-0.050, 0.010]: no difference is shown; about 340 more problems would "
            "decide it.",
        ),
        (
            "pass@16",
            Difference(0.1, -0.01, 0.2, 30, 1),
            "pass@16 rises by 0.100 [-0.010, 0.200]: no difference is shown; about 1 more problem would decide it.",
        ),
        (
            "pass@16",
            Difference(0.0, -0.1, 0.1, 30, None),
            "pass@16 moves by nothing [-0.100, 0.100]: no difference is shown.",
        ),
        ("tokens", Difference(-812.34, -900, -700.06, 30, 0), "tokens a sample fall by 812.3 [-900.0, -700.1]: shown."),
    ],
    ids=["shown", "lost", "a fall not shown", "one more", "nothing", "tokens"],
)
def test_a_sentence_says_what_is_shown(name: str, found: Difference, sentence: str) -> None:
    assert describe({name: found}) == [sentence]


def test_the_table_has_a_row_a_metric() -> None:
    table = render_table(
        {"pass@1": Difference(0.028, 0.007, 0.046, 200, 0), "tokens": Difference(-0.04, -9, 9, 2, None)}
    )
    assert table.splitlines()[2:] == [
        "| pass@1 | +0.028 | [0.007, 0.046] | 200 | 0 |",
        "| tokens | +0.0 | [-9.0, 9.0] | 2 | – |",
    ]


def test_shown_differences_of_groups_stand_in_bold() -> None:
    groups = {
        "sum": {"pass@1": Difference(0.2, 0.1, 0.3, 40, 0)},
        "count": {"pass@1": Difference(-0.1, -0.3, 0.1, 9, 50)},
    }
    assert render_groups_table("family", groups).splitlines() == [
        "| family | problems | pass@1 |",
        "| :-- | --: | --: |",
        "| sum | 40 | **+0.200 [0.100, 0.300]** |",
        "| count | 9 | -0.100 [-0.300, 0.100] |",
    ]

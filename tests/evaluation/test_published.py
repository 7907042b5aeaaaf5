"""Published figures: the numbers of the authors' tables, and the names under which they are found."""

import pytest

from fastmath.evaluation.published import (
    BASE,
    FAST_MATH,
    GRPO,
    PUBLISHED,
    SFT,
    find_published,
    name_budget,
    normalise_set_name,
    render_published,
)


@pytest.mark.parametrize(
    ("set_name", "model", "shares", "tokens"),
    [
        ("aime_2024", BASE, [0.669, 0.657, 0.610, 0.537, 0.418], {32_000: 11026, 16_000: 9708, 8_000: 6587}),
        ("aime_2024", FAST_MATH, [0.680, 0.679, 0.667, 0.619, 0.514], {32_000: 8217, 16_000: 8017, 8_000: 5939}),
        ("aime_2025", BASE, [0.499, 0.497, 0.462, 0.399, 0.311], {32_000: 12310, 16_000: 10567, 8_000: 6788}),
        ("aime_2025", FAST_MATH, [0.496, 0.496, 0.484, 0.452, 0.363], {32_000: 9663, 16_000: 9083, 8_000: 6174}),
    ],
)
def test_pass_at_1_of_64_samples_is_that_of_the_table(set_name, model, shares, tokens):
    rows = find_published(set_name, model)
    assert [row.token_budget for row in rows] == [32_000, 24_000, 16_000, 12_000, 8_000]
    assert [row.pass_at_1 for row in rows] == shares
    assert {row.token_budget: row.mean_tokens for row in rows if row.token_budget in tokens} == tokens
    assert {(row.n, row.k, row.problems) for row in rows} == {(64, 1, 30)}


@pytest.mark.parametrize(
    ("model", "leaderboard", "measured"),
    [
        (
            BASE,
            25,
            [(16_384, 0.7, 0.775, 21.8, 9684), (12_800, 0.675, 0.775, 16.8, 8331), (9_000, 0.525, 0.6, 12.5, 4725)],
        ),
        (
            SFT,
            23,
            [(16_384, 0.75, 0.825, 20.7, 10396), (12_800, 0.725, 0.725, 15.7, 7024), (9_000, 0.55, 0.55, 11.6, 4387)],
        ),
        (GRPO, 29, [(12_800, 0.725, 0.775, 18.5, 6817), (9_000, 0.625, 0.7, 15.25, 4759)]),
    ],
)
def test_the_validation_set_has_the_majority_and_the_pass_of_32_samples(model, leaderboard, measured):
    rows = find_published("aimo2_validation", model)
    told = [(r.token_budget, r.majority_at_k, r.pass_at_k, r.answers_collected, r.mean_tokens) for r in rows]
    assert told == measured
    assert {(row.n, row.k, row.leaderboard) for row in rows} == {(32, 32, leaderboard)}


def test_the_shares_of_the_validation_set_are_those_of_40_problems():
    shares = [share for row in find_published("aimo2_validation") for share in (row.majority_at_k, row.pass_at_k)]
    # 30 problems of AIME 2025 and 10 reference problems: every share is a multiple of 1/40.
    assert [share * 40 for share in shares] == pytest.approx([round(share * 40) for share in shares])


def test_no_model_collects_more_answers_than_it_has_samples():
    assert all((row.answers_collected or 0) <= row.n for row in PUBLISHED)


def test_no_mean_length_is_beyond_its_budget():
    assert all(row.mean_tokens < row.token_budget for row in PUBLISHED)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("aime_2024", "aime_2024"),
        ("aime24", "aime_2024"),
        ("AIME2024", "aime_2024"),
        ("AIME 2024", "aime_2024"),
        ("aime_2025.jsonl", "aime_2025"),
        ("AIME-25", "aime_2025"),
        ("aimo2_reference", "aimo2_validation"),
        ("aime_1983_2023", None),
        ("math500", None),
    ],
)
def test_a_set_is_known_by_its_usual_names(name, meant):
    assert normalise_set_name(name) == meant
    assert {row.set_name for row in find_published(name)} == ({meant} if meant else set())


@pytest.mark.parametrize(
    ("tokens", "name"),
    [
        (32_768, "32k"),
        (32_000, "32k"),
        (12_288, "12k"),
        (12_000, "12k"),
        (12_800, "12.8k"),
        (9_000, "9k"),
        (256, "256"),
    ],
)
def test_budgets_of_thousands_and_of_1024s_are_called_the_same(tokens, name):
    assert name_budget(tokens) == name


def test_a_budget_is_found_by_what_it_is_called():
    (row,) = find_published("aime24", FAST_MATH, 12_288)
    assert (row.token_budget, row.pass_at_1) == (12_000, 0.619)


def test_a_table_says_that_it_is_published_and_where():
    table = render_published(find_published("aime24", BASE, 16_000) + find_published("aimo2_validation", GRPO, 9_000))
    assert table.splitlines() == [
        "Published, not measured here (arXiv 2507.08267; model card of RabotniKuma/Fast-Math-R1-14B): aime_2024, "
        "30 problems x 64 samples",
        "",
        "| model (published) | token budget | pass@1 | all tokens |",
        "| :-- | --: | --: | --: |",
        "| DeepSeek-R1-Distill-Qwen-14B | 16,000 | 0.610 | 9,708 |",
        "",
        "Published, not measured here (arXiv 2507.08267): aimo2_validation, 40 problems x 32 samples",
        "",
        "| model (published) | token budget | majority@32 | pass@32 | answers collected | all tokens | leaderboard |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
        "| SFT + GRPO (best checkpoint) | 9,000 | 0.625 | 0.700 | 15.25 of 32 | 4,759 | 29 of 50 |",
    ]


def test_nothing_published_is_no_table():
    assert render_published(find_published("math500")) == ""

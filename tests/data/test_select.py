"""The selection rules of the recipe."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.data.select import draw, join_draws, passes_accuracy, share_correct
from fastmath.recipe.data import RuleSettings

KEYS = st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=30)


def test_accuracy_is_the_share_of_correct_generations():
    # 1 of 4
    assert share_correct((True, False, False, False)) == 0.25


@pytest.mark.parametrize(("accuracy", "passes"), [(0.5, False), (2 / 3, True)])
def test_accuracy_above_a_half_excludes_exactly_a_half(accuracy, passes):
    assert passes_accuracy(accuracy, RuleSettings(name="r", accuracy_above=0.5)) is passes


@pytest.mark.parametrize(("accuracy", "passes"), [(0.5, True), (0.75, True), (1.0, False), (0.25, False)])
def test_accuracy_between_a_half_and_three_quarters_includes_both(accuracy, passes):
    rule = RuleSettings(name="r", accuracy_at_least=0.5, accuracy_at_most=0.75)
    assert passes_accuracy(accuracy, rule) is passes


@given(KEYS, st.integers(1, 10), st.integers(0, 99))
def test_a_draw_does_not_depend_on_the_order_of_the_rows(keys, count, seed):
    shuffled = random.Random(seed).sample(keys, len(keys))
    assert draw(keys, count, seed) == draw(shuffled, count, seed)


@given(KEYS, st.text(min_size=1), st.integers(1, 10), st.integers(0, 99))
def test_a_further_row_displaces_at_most_one(keys, further, count, seed):
    assert len(draw(keys, count, seed) - draw([*keys, further], count, seed)) <= 1


@given(KEYS, st.integers(1, 40))
def test_a_draw_takes_as_many_as_asked_for_or_all(keys, count):
    assert len(draw(keys, count, seed=0)) == min(count, len(keys))


def test_another_seed_draws_other_items():
    keys = [str(i) for i in range(1000)]
    # two draws of 100 from 1,000 share 10 on average, never 50
    assert len(draw(keys, 100, 0) & draw(keys, 100, 1)) < 50


def test_a_second_draw_takes_from_what_the_first_has_left():
    rules = [RuleSettings(name="a", draw=1), RuleSettings(name="b", draw=1)]
    assert join_draws(["p", "q"], [(True, True), (True, True)], rules, seed=0) == {"p", "q"}


def test_a_draw_takes_only_rows_that_pass_its_rule():
    rules = [RuleSettings(name="a"), RuleSettings(name="b")]
    passes = [(True, False), (False, True), (False, False)]
    assert join_draws(["p", "q", "r"], passes, rules, seed=0) == {"p", "q"}


def test_without_rules_everything_is_kept():
    assert join_draws(["p", "q"], [(), ()], [], seed=0) == {"p", "q"}

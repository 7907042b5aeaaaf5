"""The selection rules of the recipe."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.config import RuleSettings
from fastmath.data.select import JudgedProblem, apply_rules, draw, normalize_problem, passes_rule, remove_duplicates


def problem(
    text: str = "p", correct: tuple[bool, ...] = (True,), tokens: tuple[int, ...] | None = None, index: int = 0
) -> JudgedProblem:
    tokens = tokens or tuple(range(1, len(correct) + 1))
    return JudgedProblem("source", index, text, "1", tuple(f"g{i}" for i in range(len(correct))), correct, tokens)


def test_accuracy_is_the_share_of_correct_generations():
    # 1 of 4
    assert problem(correct=(True, False, False, False)).accuracy == 0.25


def test_the_shortest_correct_generation_passes_over_shorter_wrong_ones():
    assert problem(correct=(False, True, True), tokens=(1, 9, 5)).shortest_correct == 2


def test_the_first_of_equally_short_generations_is_taken():
    assert problem(correct=(True, True), tokens=(5, 5)).shortest_correct == 0


def test_there_is_no_shortest_correct_generation_where_none_is_correct():
    assert problem(correct=(False, False)).shortest_correct is None


@pytest.mark.parametrize(("correct", "passes"), [((True, False), False), ((True, True, False), True)])
def test_accuracy_above_a_half_excludes_exactly_a_half(correct, passes):
    assert passes_rule(problem(correct=correct), RuleSettings(name="r", accuracy_above=0.5)) is passes


@pytest.mark.parametrize(
    ("correct", "passes"), [((True, False), True), ((True, True, True, False), True), ((True,), False)]
)
def test_accuracy_between_a_half_and_three_quarters_includes_both(correct, passes):
    rule = RuleSettings(name="r", accuracy_at_least=0.5, accuracy_at_most=0.75)
    assert passes_rule(problem(correct=correct), rule) is passes


@pytest.mark.parametrize(("tokens", "passes"), [(12_800, False), (12_801, True)])
def test_a_trace_of_exactly_the_bound_is_not_longer_than_it(tokens, passes):
    assert passes_rule(problem(tokens=(tokens,)), RuleSettings(name="r", trace_tokens_above=12_800)) is passes


def test_a_long_wrong_trace_does_not_make_a_problem_long():
    rule = RuleSettings(name="r", trace_tokens_above=100)
    assert not passes_rule(problem(correct=(True, False), tokens=(50, 500)), rule)


@given(st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=30), st.integers(1, 10), st.integers(0, 99))
def test_a_draw_does_not_depend_on_the_order_of_the_rows(items, count, seed):
    shuffled = random.Random(seed).sample(items, len(items))
    assert set(draw(items, count, seed, key=str)) == set(draw(shuffled, count, seed, key=str))


def test_another_seed_draws_other_items():
    items = [str(i) for i in range(1000)]
    # two draws of 100 from 1,000 share 10 on average, never 90
    assert len(set(draw(items, 100, 0, key=str)) & set(draw(items, 100, 1, key=str))) < 50


def test_a_problem_in_two_draws_is_taken_once():
    rules = [RuleSettings(name="a", draw=1), RuleSettings(name="b", draw=1)]
    problems = [problem("p", index=0), problem("q", index=1)]
    assert len(apply_rules(problems, rules, seed=0)) == 2


def test_normalisation_ignores_markup_and_spacing():
    assert normalize_problem("Find  $x$ if \\(x+1=2\\).") == normalize_problem("find x if x+1 = 2")


def test_normalisation_keeps_numbers_apart():
    assert normalize_problem("A sequence begins 15, 2") != normalize_problem("A sequence begins 1, 52")


def test_held_out_problems_and_repetitions_are_told_apart():
    kept, repeated, contaminated = remove_duplicates([problem("a 1"), problem("A  1"), problem("b 2")], known=["B 2."])
    assert [len(kept), len(repeated), len(contaminated)] == [1, 1, 1]

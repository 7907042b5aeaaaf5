"""Figures of brevity: their arithmetic on small arrays, and how often their intervals hold the truth."""

import numpy as np
import polars as pl
import pytest

from fastmath.nano.model import train_tokenizer
from fastmath.sampling.samples import SAMPLE_SCHEMA
from helpers.benchmarks import load_benchmark

brevity_figures = load_benchmark("brevity_figures")
Measures, compare, dominates, measure = (
    getattr(brevity_figures, name) for name in ("Measures", "compare", "dominates", "measure")
)

PROBLEMS = pl.DataFrame(
    [
        ("a", "Find the remainder when 432^(3) is divided by 10.", "8"),
        ("b", "Find the sum of the (3) digits of 123.", "6"),
        ("unused", "What is this?", "0"),
    ],
    schema=["id", "problem", "answer"],
    orient="row",
)
VALID = "(2) 2*2=4\n(3) 4*2=8\nSo \\boxed{8}.\n</think>"
GUESSED = "So \\boxed{8}.\n</think>"
WRONG = "(2) 2*2=5\n(3) 5*2=0\nSo \\boxed{0}.\n</think>"


def tabulate(samples, **changes):
    """A table of samples from (problem, text, answer, correct, tokens)."""
    rows = [
        {"problem_id": problem, "sample": number, "text": text, "answer": answer, "correct": correct, "tokens": tokens}
        | {"reasoning_tokens": tokens, "finish_reason": "stop", "seed": number}
        | changes
        for number, (problem, text, answer, correct, tokens) in enumerate(samples)
    ]
    return pl.DataFrame(rows, schema=SAMPLE_SCHEMA)


SAMPLES = [
    *[("a", VALID, "8", True, 30)] * 6,
    *[("a", GUESSED, "8", True, 10)] * 6,
    *[("a", WRONG, "0", False, 30)] * 4,
    *[("b", "\\boxed{7}.\n</think>", "7", False, 40)] * 16,
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([*PROBLEMS["problem"], VALID])


def make(tokens, pass1, valid=1.0, oracle=40.0, problems=None):
    """Measures of problems with 16 samples each, of whose right ones the share `valid` is valid."""
    tokens, pass1 = np.array(tokens, dtype=float), np.array(pass1, dtype=float)
    right = 16 * pass1
    names = tuple(f"p{place}" for place in range(len(tokens))) if problems is None else problems
    oracles = np.full(len(tokens), oracle)
    return Measures(names, pass1, pass1, (right > 0).astype(float), tokens, right, right * valid, oracles)


def figures_of(start, variant):
    return {name: figure[0] for name, figure in compare([start], [variant], seed=0).items()}


def test_samples_are_measured_by_problem(tokenizer):
    found = measure(tabulate(SAMPLES), PROBLEMS, tokenizer)
    assert found.problems == ("a", "b")
    assert found.pass1.tolist() == pytest.approx([12 / 16, 0])
    # of 16 samples 12 say 8, which is right
    assert found.majority.tolist() == [1, 0]
    assert found.pass16.tolist() == [1, 0]
    # (6 * 30 + 6 * 10 + 4 * 30) / 16 = 22.5
    assert found.tokens.tolist() == [22.5, 40]
    assert found.right.tolist() == [12, 0]
    assert found.valid.tolist() == [6, 0]


def test_the_oracle_counts_the_tokens_of_the_shortest_traces(tokenizer):
    found = measure(tabulate(SAMPLES), PROBLEMS, tokenizer)
    traces = [VALID, "(2) 1+2=3\n(3) 3+3=6\nSo \\boxed{6}.\n</think>"]
    assert found.oracle_tokens.tolist() == [len(tokenizer.encode(trace)) for trace in traces]


def test_a_majority_is_the_mean_over_subsets(tokenizer):
    # 17 samples, 9 of them right: without a right one it is 8 to 8, a tie, else 9 to 7. 9/17 * 1/2 + 8/17 = 25/34.
    samples = [("a", VALID, "8", True, 30)] * 9 + [("a", WRONG, "0", False, 30)] * 8
    assert measure(tabulate(samples), PROBLEMS, tokenizer).majority.tolist() == pytest.approx([25 / 34])


def test_fewer_samples_than_a_vote_has_are_refused(tokenizer):
    with pytest.raises(ValueError, match="k is 16 and there are 15 samples"):
        measure(tabulate(SAMPLES[:15]), PROBLEMS, tokenizer)


def test_samples_of_a_problem_without_text_are_refused(tokenizer):
    with pytest.raises(ValueError, match="problem 'c' has samples and no text"):
        measure(tabulate(SAMPLES, problem_id="c"), PROBLEMS, tokenizer)


def test_a_problem_from_elsewhere_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"'What is this\?'; want one that `fastmath.nano` has made"):
        measure(tabulate(SAMPLES, problem_id="unused"), PROBLEMS, tokenizer)


def test_samples_without_tokens_are_refused(tokenizer):
    with pytest.raises(ValueError, match="want samples whose tokens were counted"):
        measure(tabulate(SAMPLES, tokens=None), PROBLEMS, tokenizer)


def test_tokens_saved_are_a_ratio_of_means():
    # 1 - (50 + 60) / (80 + 120) = 0.45; of 1 - 40 / 100 = 0.6 that could be saved it is 0.75
    found = figures_of(make([80, 120], [1, 1]), make([50, 60], [1, 1]))
    assert (found["tokens_saved"], found["oracle_share"]) == pytest.approx((0.45, 0.75))


def test_changes_of_accuracy_are_differences_of_means():
    # pass@1 (and here majority@16): (0.5 + 0.75) / 2 - (1 + 0) / 2 = 0.125; one problem more is solved at all: 1 / 2
    found = figures_of(make([90, 90], [1, 0]), make([50, 50], [0.5, 0.75]))
    assert [found[f"{name}_change"] for name in ("pass1", "majority", "pass16")] == pytest.approx([0.125, 0.125, 0.5])


def test_a_change_of_validity_is_one_of_ratios_of_sums():
    # start: 16 right, all valid: 1. Variant: 16 + 4 right, of which 12 + 0 valid: 12 / 20 = 0.6
    found = figures_of(make([90, 90], [1, 0]), make([90, 90], [1, 0.25], valid=np.array([0.75, 0])))
    assert found["valid_change"] == pytest.approx(-0.4)


def test_a_figure_is_the_mean_over_seeds_whatever_their_lengths():
    # 1 - 50 / 100 = 0.5 and 1 - 40 / 50 = 0.2
    starts, variants = [make([100], [1]), make([50], [1])], [make([50], [1]), make([40], [1])]
    assert compare(starts, variants, seed=0)["tokens_saved"][0] == pytest.approx(0.35)


def test_seeds_are_resampled():
    # The problems of a seed are alike. Of two draws of 0.5 and 0.2 the means are 0.2, 0.35 and 0.5.
    starts, variants = [make([100] * 9, [1] * 9), make([50] * 9, [1] * 9)], [make([50] * 9, [1] * 9)]
    found = compare(starts, [*variants, make([40] * 9, [1] * 9)], seed=0)
    assert found["tokens_saved"] == pytest.approx([0.35, 0.2, 0.5])


def test_problems_are_paired():
    # A variant that is half as long on every problem, however long that is, saves half of any draw.
    tokens = np.array([50, 100, 400, 900])
    found = compare([make(tokens, [1] * 4)], [make(tokens / 2, [1] * 4)], seed=0)
    assert found["tokens_saved"] == pytest.approx([0.5, 0.5, 0.5])


def test_the_interval_of_one_seed_is_near_the_normal_one():
    # Differences of 0.5 and -0.5, half of each: 0 ± 1.96 * 0.5 / sqrt(400) = ± 0.049
    start, variant = make([90] * 400, [0.5] * 400), make([90] * 400, [1, 0] * 200)
    assert compare([start], [variant], seed=0)["pass1_change"] == pytest.approx([0, -0.049, 0.049], abs=0.004)


def test_a_model_without_right_answers_has_no_change_of_validity():
    found = compare([make([90, 90], [0, 0])], [make([50, 50], [1, 1])], seed=0)
    assert found["valid_change"] == [None, None, None]
    assert found["pass1_change"] == [1, 1, 1]


def test_a_start_that_is_as_short_as_the_oracle_has_no_share_of_it():
    found = compare([make([40, 40], [1, 1])], [make([30, 30], [1, 1])], seed=0)
    assert found["oracle_share"] == [None, None, None]


def test_draws_without_a_right_answer_do_not_count():
    # One problem of two is solved, in a quarter of the draws not at all; where it is, all of its answers are valid.
    found = compare([make([90, 90], [1, 0])], [make([90, 90], [1, 0])], seed=0)
    assert found["valid_change"] == [0, 0, 0]


def test_the_same_seed_gives_the_same_intervals():
    rng = np.random.default_rng(0)
    start, variant = make(rng.uniform(60, 90, 50), rng.random(50)), make(rng.uniform(40, 60, 50), rng.random(50))
    first, again, other = (compare([start], [variant], seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_pair_of_other_problems_is_refused():
    with pytest.raises(ValueError, match=r"pair 0 has 1 problems from \('p0',\) on and 1 from \('q',\)"):
        compare([make([90], [1])], [make([50], [1], problems=("q",))], seed=0)


@pytest.mark.parametrize("variants", [0, 2])
def test_starts_and_variants_stand_in_pairs(variants):
    with pytest.raises(ValueError, match=f"found 1 and {variants} models"):
        compare([make([90], [1])], [make([50], [1])] * variants, seed=0)


def test_no_seed_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        compare([], [], seed=0)


@pytest.mark.parametrize(
    ("tokens", "pass1", "expected"),
    [
        (50, 0.75, True),  # fewer tokens, more right
        (50, 0.5, True),
        (60, 0.75, True),
        (60, 0.5, False),  # the same
        (50, 0.25, False),
        (70, 0.75, False),
    ],
)
def test_a_model_dominates_with_fewer_tokens_or_more_right_answers_and_nothing_lost(tokens, pass1, expected):
    assert dominates([make([tokens], [pass1])], [make([60], [0.5])]) is expected


def test_rounding_is_no_dominance():
    # (0.1 + 0.2 + 0.6) / 3 and (0.6 + 0.2 + 0.1) / 3 differ in their last digit
    first, second = make([60] * 3, [0.1, 0.2, 0.6]), make([60] * 3, [0.6, 0.2, 0.1])
    assert not dominates([first], [second])
    assert not dominates([second], [first])


def draw_seed(rng, spread, problems=40):
    """A start and a variant that saves half of the tokens on average, with a deviation of `spread` between seeds."""
    start = rng.normal(100, 20, problems).clip(50)
    saved = 0.5 + spread * rng.normal()
    return make(start, [1] * problems), make(start * (1 - saved) * rng.normal(1, 0.1, problems), [1] * problems)


@pytest.mark.parametrize(
    ("seeds", "spread", "low", "high"),
    # Measured with 300 repetitions: 0.947; 0.980, where the problems make all of the spread; 0.810, where the seeds
    # make nearly all of it, of which three know little.
    [(1, 0.0, 0.88, 1.0), (3, 0.0, 0.93, 1.0), (3, 0.02, 0.65, 0.95)],
    ids=["one seed", "equal seeds", "seeds that differ"],
)
def test_intervals_hold_the_true_saving(seeds, spread, low, high):
    rng = np.random.default_rng(0)
    held = []
    for repetition in range(60):
        starts, variants = zip(*(draw_seed(rng, spread) for _ in range(seeds)), strict=True)
        _, lowest, highest = compare(starts, variants, repetition)["tokens_saved"]
        held.append(lowest <= 0.5 <= highest)
    assert low <= np.mean(held) <= high

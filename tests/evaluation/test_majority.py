"""Majority votes of k samples, counted exactly."""

import itertools
import json
from collections import Counter
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scorio.aggregate import majority_vote
from scorio.eval import avg, maj_at_k
from scorio.eval import pass_at_k as scorio_pass_at_k

from fastmath.answers.integers import to_int
from fastmath.evaluation.formats.reading import read_samples_table
from fastmath.evaluation.majority import VoteCounts, chance_of_majority
from fastmath.evaluation.metrics import NO_ANSWER, SampleArrays, majority_at_k, pass_at_k
from helpers.files import find, needs_shared
from helpers.samples import make_arrays, sample_arrays

VOTES = find("shared/votes/aime2024.jsonl")
CURVE = (1, 2, 4, 8, 16, 32)


def vote_in_order(answers: list[int]) -> int | None:
    """The answer with the most votes, in a tie the one that was given first; None without votes."""
    votes = [answer for answer in answers if answer != NO_ANSWER]
    return max(votes, key=votes.count) if votes else None


def test_one_sample_is_right_as_often_as_it_is_drawn() -> None:
    # 3 of 10 samples are right
    assert chance_of_majority(VoteCounts((3,), (5,), 2), 1) == pytest.approx(3 / 10)


def test_a_tie_is_shared_by_its_leaders() -> None:
    # 7 twice and 5 once, 7 right; pairs: 77 won, 75 tied, 75 tied: (1 + 1/2 + 1/2) / 3
    assert chance_of_majority(VoteCounts((2,), (1,), 0), 2) == pytest.approx(2 / 3)


def test_a_tie_of_three_gives_each_a_third() -> None:
    # of 7, 5, 3 and one without an answer three are drawn: all with votes in 1 of 4 ways, which wins 1/3; else two with
    # votes, in two ways with the right one, which win 1/2 each, and once without it
    assert chance_of_majority(VoteCounts((1,), (1, 1), 1), 3) == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 4)


def test_all_samples_are_drawn_in_one_way() -> None:
    # 3 against 3 and 2: two leaders; 3 against 2 and 2: one; 2 against 3: lost
    assert chance_of_majority(VoteCounts((3,), (3, 2), 1), 9) == pytest.approx(1 / 2)
    assert chance_of_majority(VoteCounts((3,), (2, 2), 1), 8) == 1.0
    assert chance_of_majority(VoteCounts((2,), (3,), 0), 5) == 0.0


def test_a_sample_without_an_answer_casts_no_vote() -> None:
    # one right among three without: drawn with two of them in 2 of 4 samples, it wins alone
    assert chance_of_majority(VoteCounts((1,), (), 3), 2) == pytest.approx(1 / 2)


def test_no_vote_at_all_is_wrong() -> None:
    assert chance_of_majority(VoteCounts((), (), 4), 2) == 0.0
    assert chance_of_majority(VoteCounts((), (), 4), 4) == 0.0


def test_several_answers_may_be_right() -> None:
    # 1/2 and 0.5 are right and 7 is not, one sample each: a pair is right, half right, half right: (1 + 1/2 + 1/2) / 3
    assert chance_of_majority(VoteCounts((1, 1), (1,), 0), 2) == pytest.approx(2 / 3)


@given(sample_arrays(), st.data())
def test_the_chance_is_the_share_of_draws_that_are_won(samples: SampleArrays, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, samples.samples))
    expected = [
        np.mean([vote_in_order(list(draw)) == 0 for draw in itertools.permutations(row, k)])
        for row in samples.answers.tolist()
    ]
    assert majority_at_k(samples, k) == pytest.approx(expected)


@given(st.integers(1, 60), st.integers(0, 60), st.data())
def test_against_one_rival_the_majority_of_an_odd_number_is_a_strict_one(
    right: int, wrong: int, data: st.DataObject
) -> None:
    # scorio's maj@k counts draws with more than k/2 right samples: the same where there are two answers and no tie
    samples = right + wrong
    k = data.draw(st.integers(1, samples).filter(lambda number: number % 2 == 1))
    outcomes = np.array([[1] * right + [0] * wrong])
    counts = VoteCounts((right,), (wrong,) if wrong else (), 0)
    assert chance_of_majority(counts, k) == pytest.approx(maj_at_k(outcomes, k), abs=1e-9)


def test_hundreds_of_samples_neither_overflow_nor_lose_digits() -> None:
    # two answers with as many samples: by symmetry each wins half of the draws
    assert chance_of_majority(VoteCounts((400,), (400,), 0), 400) == pytest.approx(1 / 2, abs=1e-12)


@pytest.mark.parametrize(("k", "right"), [(0, 4), (5, 4), (2, 1001)])
def test_draws_that_cannot_be_counted_are_refused(k: int, right: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k} of {right} samples"):
        chance_of_majority(VoteCounts((right,), (), 0), k)


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[tuple[list[int | None], int]]]:
    """Model → votes and gold of every problem, read without the project's own tables."""
    found: dict[str, list[tuple[list[int | None], int]]] = {}
    for row in map(json.loads, VOTES.read_text().splitlines()):
        votes = [to_int(text) if text else None for text in row["answers"]]
        # an answer that is no integer is a vote of its own kind
        kinds = [text if vote is None and text else vote for text, vote in zip(row["answers"], votes, strict=True)]
        found.setdefault(row["model"], []).append((kinds, int(row["gold"])))
    return found


def tabulate(problems: list[tuple[list[object], int]]) -> SampleArrays:
    """Votes as arrays, right where they are the gold answer's integer; the reader accepts `588/2` for 294, too."""
    rows = [
        (str(place), number, None if vote is None else str(vote), vote == gold, 1, 1, None)
        for place, (votes, gold) in enumerate(problems)
        for number, vote in enumerate(votes)
    ]
    columns = ["problem_id", "sample", "answer", "correct", "tokens", "reasoning_tokens", "finish_reason"]
    return SampleArrays.from_frame(pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None))


@needs_shared
def test_curves_of_recorded_votes_agree_with_combinatorics_and_with_random_draws(recorded) -> None:
    rng = np.random.default_rng(0)
    assert len(recorded) == 11
    for problems in recorded.values():
        samples = tabulate(problems)
        size = samples.samples
        right = [votes.count(gold) for votes, gold in problems]
        draws = [
            ([[votes[i] for i in rng.permutation(size)[: max(CURVE)]] for _ in range(60)], gold)
            for votes, gold in problems
        ]
        for k in CURVE:
            passed = [1 - comb(size - count, k) / comb(size, k) for count in right]
            assert pass_at_k(samples.correct, k) == pytest.approx(passed, abs=1e-12)
            won = [[_leader(draw[:k]) == gold for draw in drawn] for drawn, gold in draws]
            # 30 problems, 60 draws each: a standard error of at most sqrt(0.25 / 1800) = 0.012
            assert majority_at_k(samples, k).mean() == pytest.approx(np.mean(won), abs=0.04)


def _leader(votes: list[object]) -> object:
    cast = Counter(vote for vote in votes if vote is not None)
    return cast.most_common(1)[0][0] if cast else None  # equal counts stand in the order of their first vote


@needs_shared
def test_figures_of_recorded_votes_agree_with_scorio(recorded) -> None:
    # scorio's maj@k asks for more than k/2 right samples, whatever the wrong ones say: a plurality wins more often.
    # Its majority vote is ours: the plurality, the first of the leaders in a tie, no vote from a None.
    rng = np.random.default_rng(1)
    for model in ("gpt-oss-20b", "Datarus-R1-14B-preview"):
        samples = SampleArrays.from_frame(read_samples_table(VOTES, model))
        outcomes = samples.correct.astype(int)
        assert pass_at_k(samples.correct, 1).mean() == pytest.approx(avg(outcomes)[0])
        for k in CURVE:
            assert pass_at_k(samples.correct, k).mean() == pytest.approx(scorio_pass_at_k(outcomes, k))
            assert majority_at_k(samples, k).mean() >= maj_at_k(outcomes, k) - 1e-9
        golds = [gold for _, gold in recorded[model]]
        votes = np.array([[str(v) if v is not None else None for v in row] for row, _ in recorded[model]], dtype=object)
        won = [
            [vote == str(gold) for vote, gold in zip(majority_vote(drawn[:, :8].tolist()), golds, strict=True)]
            for drawn in (rng.permuted(votes, axis=1) for _ in range(60))
        ]
        assert majority_at_k(samples, 8).mean() == pytest.approx(np.mean(won), abs=0.04)


def test_equal_problems_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr("fastmath.evaluation.metrics.chance_of_majority", lambda votes, k: counted.append(votes) or 0.5)
    # 0, 0, 1 and 2, 0, 0: two samples for the right answer and one for a wrong one; 1, 1, 0 is another problem
    majority_at_k(make_arrays([[0, 0, 1], [2, 0, 0], [1, 1, 0]]), 2)
    assert sorted(votes.right for votes in counted) == [(1,), (2,)]

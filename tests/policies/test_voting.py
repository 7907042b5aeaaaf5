"""Votes: who leads, what is decided, and what cannot change any more."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.policies.voting import (
    Ballot,
    Vote,
    cannot_be_overtaken,
    chance_of_overturn,
    count_votes,
    leading_answer,
    posterior_of_lead,
    settle,
)

answers = st.lists(st.integers(0, 3), max_size=8)


def tally_of(given_answers: list[int]) -> dict[int, int]:
    return count_votes(Vote(answer) for answer in given_answers)


def test_zero_is_an_answer_like_any_other() -> None:
    assert leading_answer(tally_of([0, 0, 7])) == 0


def test_a_ballot_counts_samples_without_an_answer_as_finished() -> None:
    ballot = Ballot()
    for vote in (Vote(7), None, Vote(7)):
        ballot.add(vote)
    # Two against none: 0.875.
    assert (ballot.finished, ballot.tally, ballot.posterior) == (3, {7: 2.0}, pytest.approx(0.875))


def test_a_ballot_without_votes_has_no_leader() -> None:
    assert Ballot().posterior == 0.5


def test_tie_goes_to_the_answer_given_first() -> None:
    assert leading_answer(tally_of([7, 3, 3, 7])) == 7


def test_weights_are_summed() -> None:
    # 3 weighs 0.25 + 0.5, 7 weighs 1.
    assert leading_answer(count_votes([Vote(3, 0.25), Vote(7), Vote(3, 0.5)])) == 7


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.5])
def test_a_weight_of_nothing_or_of_more_than_one_sample_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=f"weighs {weight}; want more than 0 and at most 1"):
        count_votes([Vote(7, weight)])


def test_posterior_of_half_a_vote_against_none() -> None:
    # Beta(1.5, 1) above 1/2: 1 - (1/2)^1.5.
    assert posterior_of_lead(0.5, 0.0) == pytest.approx(1 - 0.5**1.5)


@given(st.integers(0, 40), st.integers(0, 40))
def test_posterior_of_whole_weights_counts_tosses_of_a_coin(leader: int, runner_up: int) -> None:
    tosses = leader + runner_up + 1
    heads = sum(math.comb(tosses, count) for count in range(leader + 1))
    assert posterior_of_lead(leader, runner_up) == pytest.approx(heads / 2**tosses, abs=1e-12)


@given(st.floats(0, 40), st.floats(0, 40))
def test_posterior_of_a_lead_and_of_its_mirror_make_one(first: float, second: float) -> None:
    assert posterior_of_lead(first, second) + posterior_of_lead(second, first) == pytest.approx(1.0)


def test_posterior_of_two_against_none() -> None:
    # Beta(3, 1) above 1/2: 1 - (1/2)^3 = 0.875.
    assert posterior_of_lead(2, 0) == pytest.approx(0.875)


def test_posterior_of_three_against_one() -> None:
    # At most 3 heads in 5 tosses: (1 + 5 + 10 + 10) / 32 = 0.8125.
    assert posterior_of_lead(3, 1) == pytest.approx(0.8125)


@given(st.integers(0, 20))
def test_posterior_of_a_tie_is_one_half(votes: int) -> None:
    assert posterior_of_lead(votes, votes) == 0.5


def test_leader_given_first_survives_a_tie() -> None:
    # 2 against 0 with 2 pending: at worst 2 to 2, and 7 was first.
    assert cannot_be_overtaken(tally_of([7, 7]), pending=2)


def test_leader_given_later_loses_a_tie() -> None:
    # 3 leads 2 to 1, but one more vote makes 2 to 2, and 7 was first.
    assert not cannot_be_overtaken(tally_of([7, 3, 3]), pending=1)


@given(answers, st.integers(0, 3))
def test_no_ending_overtakes_a_safe_leader(given_answers: list[int], pending: int) -> None:
    if not cannot_be_overtaken(tally_of(given_answers), pending):
        return
    endings = itertools.product([0, 1, 2, 3, 4], repeat=pending)
    assert {leading_answer(tally_of([*given_answers, *ending])) for ending in endings} == {
        leading_answer(tally_of(given_answers))
    }


@given(answers.filter(bool), st.integers(0, 3))
def test_unsafe_leader_is_overtaken_by_some_ending(given_answers: list[int], pending: int) -> None:
    if cannot_be_overtaken(tally_of(given_answers), pending):
        return
    endings = itertools.product([0, 1, 2, 3, 4], repeat=pending)
    assert len({leading_answer(tally_of([*given_answers, *ending])) for ending in endings}) > 1


@pytest.mark.parametrize(
    ("leader", "runner_up", "pending", "chance"),
    [
        # The runner-up's next vote has (b + 1) / (a + b + 2).
        (1, 0, 1, 0.0),  # a tie stays with the leader
        (1, 0, 2, 1 / 3 * 2 / 4),
        (1, 0, 3, 1 / 3 * 2 / 4 * 3 / 5),  # two of three make it a tie
        (2, 1, 3, 2 / 5 * 3 / 6 * 4 / 7),
        (3, 0, 5, 1 / 126),
        (5, 2, 3, 0.0),
        (2, 2, 1, 0.5),
    ],
)
def test_the_chance_of_an_overturn_is_that_of_the_rule_of_succession(
    leader: int, runner_up: int, pending: int, chance: float
) -> None:
    assert chance_of_overturn(leader, runner_up, pending) == pytest.approx(chance)


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 30))
def test_a_further_vote_for_the_leader_never_makes_an_overturn_likelier(leader: int, behind: int, pending: int) -> None:
    runner_up = max(leader - 1 - behind, 0)
    chance = chance_of_overturn(leader, runner_up, pending)
    assert 0.0 <= chance_of_overturn(leader + 1, runner_up, pending) <= chance + 1e-12
    assert chance <= 0.5


def test_part_of_a_pending_vote_counts_as_a_whole_one() -> None:
    assert chance_of_overturn(1.0, 0.5, 0.5) == chance_of_overturn(1.0, 0.5, 1.0)


def ballot_of(*samples: tuple[int | None, int]) -> Ballot:
    ballot = Ballot()
    for answer, tokens in samples:
        ballot.add(None if answer is None else Vote(answer), tokens)
    return ballot


def test_no_risk_means_none_that_a_tie_is_lost() -> None:
    # 3 was given first, so that a tie of two each would go to it.
    ballot = ballot_of((3, 10), (7, 10), (7, 10))
    assert (settle(ballot, 1.0, 0.0), settle(ballot, 1.0, 0.01)) == (None, "unlikely to be overtaken")


def test_a_tie_is_not_settled_by_any_risk() -> None:
    assert settle(ballot_of((3, 10), (7, 10)), 1.0, 1.0) is None


@pytest.mark.parametrize(("longest", "settled"), [(1600, True), (1700, False)])
def test_a_vote_of_samples_that_end_apart_is_less_safe(longest: int, settled: bool) -> None:
    # 0.00905 * 1.6^3 = 0.0371 and 0.00905 * 1.7^3 = 0.0445.
    ballot = ballot_of(*[(7, 1000)] * 3, (7, longest))
    assert (settle(ballot, 12.0, 0.04) is not None) == settled


def test_the_spread_is_that_of_the_longest_sample_to_the_shortest_vote() -> None:
    # A sample without an answer may be the longest, and is never the shortest.
    assert ballot_of((None, 50), (7, 100), (3, 150), (None, 300)).spread == 3.0


def test_lengths_that_nobody_knows_have_no_spread() -> None:
    assert [ballot_of(*samples).spread for samples in ([], [(7, 0), (7, 100)])] == [1.0, 1.0]

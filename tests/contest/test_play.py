"""Full votes on all questions of a contest, on a scripted engine: without a clock, and on the kernel's."""

import polars as pl

from fastmath.contest.play import play_full_votes
from fastmath.contest.report import FullVotes
from fastmath.recipe.inference import KernelSettings
from helpers.scripted_engine import Sample, ScriptedEngine, boxed

ASKED = pl.DataFrame({"id": ["a", "b", "c"], "problem": ["What is 1+1?", "What is 2+2?", "What is 3+3?"]})


def play(*script: Sample, limit: float | None = None) -> FullVotes:
    settings = KernelSettings(samples=len(script), token_budget=64)
    limits = {} if limit is None else {"limit": limit}
    return play_full_votes(ScriptedEngine(script), ASKED, settings, None, **limits)


def test_without_a_clock_every_sample_votes() -> None:
    votes = play(boxed(7), boxed(3, 0.1), boxed(3, 0.1))
    assert (dict(votes.answers), votes.answered) == ({"a": 3, "b": 3, "c": 3}, 3)


def test_on_a_clock_what_has_ended_in_an_even_share_of_the_time_votes() -> None:
    # Three questions in 1.5 s: the samples of a minute are cut off after half a second.
    votes = play(boxed(7), boxed(3, 60.0), boxed(3, 60.0), limit=1.5)
    assert (dict(votes.answers), votes.answered) == ({"a": 7, "b": 7, "c": 7}, 3)
    assert votes.seconds < 1.6


def test_a_question_in_whose_time_nothing_ends_has_no_answer() -> None:
    votes = play(boxed(7, 60.0), boxed(7, 60.0), limit=0.6)
    assert set(votes.answers.values()) == {None}

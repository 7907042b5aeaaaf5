"""The full vote, on a scripted engine."""

import pytest

from fastmath.answers.contests import CONTESTS
from fastmath.engine.vllm import Sampling
from fastmath.kernel.full_vote import FullVote, vote_in_full
from helpers.scripted_engine import Sample, ScriptedEngine, boxed


def vote(*script: Sample, seconds: float = 20.0) -> FullVote:
    engine = ScriptedEngine(script)
    work = vote_in_full(engine, [1], Sampling(64, 1.0, 1.0), CONTESTS["aimo2"], len(script), "q", seconds)
    return engine.run(work)


def test_all_samples_vote() -> None:
    # Two for 7 and three for 3, though 7 led at first.
    assert vote(boxed(7), boxed(7), boxed(3), boxed(3), boxed(3)).answer == 3


def test_tokens_of_all_samples_count() -> None:
    one = vote(boxed(7)).tokens
    assert vote(boxed(7), boxed(7), boxed(7)).tokens == 3 * one > 0


def test_without_an_answer_there_is_none() -> None:
    assert vote(Sample("So it goes.\n</think>")).answer is None


@pytest.mark.parametrize(("place", "answer"), [("reasoning", 3), ("after", 7), ("anywhere", 7)])
def test_the_answer_of_an_ended_sample_is_read_where_the_settings_say(place, answer):
    engine = ScriptedEngine([Sample("Is it \\boxed{3}?\n</think>\nIt is \\boxed{7}.")])
    sampling = Sampling(64, 1.0, 1.0, "end_of_text", place)
    assert engine.run(vote_in_full(engine, [1], sampling, CONTESTS["aimo2"], 1, "q", 20.0)).answer == answer


def test_samples_that_are_still_running_at_the_limit_do_not_vote() -> None:
    assert vote(boxed(7), boxed(3, 60.0), boxed(3, 60.0), seconds=0.5).answer == 7


def test_a_sample_that_fails_makes_it_no_full_vote() -> None:
    with pytest.raises(RuntimeError, match="1 of 2 samples failed: ValueError: the prompt fills the context"):
        vote(boxed(7), Sample(error=ValueError("the prompt fills the context")))

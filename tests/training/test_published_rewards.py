"""The published code's rewards, which a benchmark trains with: they have its defects, and ours do not."""

import pytest

from fastmath.recipe.grpo import RewardSettings
from fastmath.recipe.load import REPOSITORY_FOLDER
from fastmath.training.judge import Judge
from fastmath.training.rewards import build_rewards

RIGHT, WRONG = "So \\boxed{7}.\n</think>", "So \\boxed{8}.\n</think>"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY_FOLDER)


def call(name: str, completions: list[str], gold: str = "7", group: int = 2, **parameters: object) -> list[float]:
    settings = RewardSettings(name=f"benchmarks.published_rewards:{name}", parameters=parameters)
    reward = build_rewards([settings], group, Judge())[0]
    ids = [[0]] * len(completions)
    return reward(completions=completions, completion_ids=ids, answer=[gold] * len(completions))


def test_the_format_accepts_an_empty_box_and_wants_it_before_the_end_of_reasoning() -> None:
    completions = [RIGHT, "so \\boxed{}.\n</think>", "so 7.</think>\\boxed{7}", "} \\boxed{7</think>", "so 7."]
    assert call("PublishedFormat", completions) == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_the_cosine_counts_characters() -> None:
    # 0.1 + 0.9 · (1 + cos(π/2)) / 2 at 100 of 200 characters, 0.1 beyond; every completion is one token long
    completions = [RIGHT.rjust(100), WRONG.rjust(100), RIGHT.rjust(300)]
    assert call("PublishedCosine", completions, max_length=200) == pytest.approx([0.55, -0.55, 0.1])


def test_a_box_in_a_truncated_trace_is_an_answer() -> None:
    assert call("PublishedCosine", ["So \\boxed{7}. wait".rjust(100)], max_length=100) == pytest.approx([0.1])


def test_the_answer_stands_where_the_reference_should() -> None:
    # An interval is accepted for an inequality: here the answer 1<x<2 takes the part of the reference.
    texts = ["So \\boxed{1<x<2}.</think>".rjust(100)]
    assert call("PublishedCosine", texts, gold="(1,2)", max_length=100) == pytest.approx([0.1])


def test_lengths_are_compared_across_two_prompts() -> None:
    # 0.5 - 0/1000, 0.5 - 10/1000, 0.5 - 990/1000, 0.5 - 1000/1000; the next two prompts are compared by themselves
    completions = [RIGHT.rjust(30 + extra) for extra in (0, 10, 990, 1000)]
    rewards = [0.5, 0.49, -0.49, -0.5]
    assert call("PublishedLength", completions * 2) == pytest.approx(rewards * 2)


def test_a_short_wrong_answer_earns_no_more_than_nothing() -> None:
    completions = [WRONG.rjust(30), RIGHT.rjust(50), WRONG.rjust(50), RIGHT.rjust(40)]
    assert call("PublishedLength", completions) == pytest.approx([0.0, -0.5, -0.5, 0.0])

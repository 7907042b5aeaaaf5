"""Rewards of the literature on brevity: their arithmetic, and what holds for any group."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerState

from fastmath.answers.judge import Judgement
from fastmath.answers.verifier import Verdict
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import RewardSettings
from fastmath.training.judge import Judge
from fastmath.training.reward_base import Reward, Rollout
from fastmath.training.rewards import build_rewards

RIGHT, WRONG, UNJUDGED = True, False, None
PARAMETERS = {
    "length_among_right": {},
    "length_z_among_right": {"alpha": 0.05},
    "solve_rate_length": {"max_length": 400},
    "shortest_right": {"max_length": 400},
    "difficulty_budget": {"easy": 100, "medium": 200, "hard": 400},
    "tightening_budget": {"limits": [300, 200], "steps_each": 10},
}
LIMITS = {  # of groups of at most 8 with lengths of at most 400; a z-score over n values is at most √(n - 1)
    "length_among_right": (-1.0, 1.0),
    "length_z_among_right": (-1.0, math.exp(0.05 * math.sqrt(7)) + 1e-9),
    "solve_rate_length": (-1.0, 0.0),
    "shortest_right": (-1.0, 0.0),
    "difficulty_budget": (0.0, 0.5),
    "tightening_budget": (0.0, 1.0),
}
NAMES = pytest.mark.parametrize("name", PARAMETERS)

Group = list[tuple[bool | None, int]]
GROUPS = st.lists(st.tuples(st.sampled_from([RIGHT, WRONG, UNJUDGED]), st.integers(1, 400)), min_size=2, max_size=8)


def build(name: str, size: int, **parameters: object) -> Reward:
    settings = RewardSettings(name=name, parameters=parameters or PARAMETERS[name])
    return build_rewards([settings], size, Judge())[0]


def score(name: str, group: Group, step: int = 0, **parameters: object) -> list[float]:
    """The rewards of a group of (correct, length)."""
    rollouts = [
        Rollout(Judgement("7", Verdict(correct, None), finished=True, boxed=True), [0] * length, "", "7", step)
        for correct, length in group
    ]
    return build(name, len(group), **parameters).score(rollouts)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_length_among_right_compares_the_right_answers_alone() -> None:
    # z is -1 and 1, the mean of the two sigmoids 0.5, and two of three are right; the wrong one is far shorter
    high = (sigmoid(1) - 0.5) * 2 / 3
    assert score("length_among_right", [(RIGHT, 10), (RIGHT, 30), (WRONG, 1)]) == pytest.approx([high, -high, 0.0])


def test_length_among_right_fades_with_the_pass_rate() -> None:
    easy = score("length_among_right", [(RIGHT, 10), (RIGHT, 30)])
    hard = score("length_among_right", [(RIGHT, 10), (RIGHT, 30), *[(WRONG, 20)] * 6])
    # 2 of 2 and 2 of 8 are right
    assert hard[0] == pytest.approx(easy[0] / 4)


def test_length_z_among_right_scales_with_the_distance_from_the_mean() -> None:
    # z is -1 and 1
    rewards = score("length_z_among_right", [(RIGHT, 10), (RIGHT, 30), (WRONG, 20)], alpha=0.1)
    assert rewards == pytest.approx([math.exp(0.1), math.exp(-0.1), -1.0])


def test_solve_rate_length_charges_length_by_the_share_of_right_answers() -> None:
    # 3 of 4 are right: 100/400 · 3/4, 200/400 · 3/4, 400/400 · 3/4 and 40/400 · 3/4
    rewards = score("solve_rate_length", [(RIGHT, 100), (RIGHT, 200), (RIGHT, 400), (WRONG, 40)])
    assert rewards == pytest.approx([-0.1875, -0.375, -0.75, -0.075])


def test_solve_rate_length_takes_no_right_answer_for_one() -> None:
    # 100/400 · 1/2
    assert score("solve_rate_length", [(WRONG, 100), (WRONG, 100)]) == [-0.125, -0.125]


def test_shortest_right_is_the_target_of_its_group() -> None:
    # the target is 20: |20-20|/400, |60-20|/400, |10-20|/400
    assert score("shortest_right", [(RIGHT, 20), (RIGHT, 60), (WRONG, 10)]) == pytest.approx([0.0, -0.1, -0.025])


def test_without_a_right_answer_the_mean_length_is_the_target() -> None:
    # the mean of the two judged ones is 40: |20-40|/400, |60-40|/400
    assert score("shortest_right", [(WRONG, 20), (WRONG, 60), (UNJUDGED, 400)])[:2] == pytest.approx([-0.05, -0.05])


@pytest.mark.parametrize(
    ("right", "wrong", "limit"),
    [(2, 1, 100), (3, 2, 200), (1, 2, 200), (1, 3, 400)],  # 2/3, 3/5, 1/3 and 1/4 are right
)
def test_difficulty_budget_has_a_limit_for_every_third_of_the_pass_rate(right: int, wrong: int, limit: int) -> None:
    others = [(RIGHT, 1)] * (right - 1) + [(WRONG, 1)] * wrong
    assert score("difficulty_budget", [(RIGHT, limit), *others])[0] == 0.5
    assert score("difficulty_budget", [(RIGHT, limit + 1), *others])[0] == 0.0


@pytest.mark.parametrize(("step", "limit"), [(0, 300), (9, 300), (10, 200), (19, 200), (20, 200), (1_000, 200)])
def test_tightening_budget_goes_to_the_next_limit_after_its_steps(step: int, limit: int) -> None:
    assert score("tightening_budget", [(RIGHT, limit), (RIGHT, limit + 1), (WRONG, 1)], step) == [1.0, 0.0, 0.0]


def test_tightening_budget_reads_the_step_from_the_trainer() -> None:
    reward = build("tightening_budget", 1)
    call = {"completions": ["So \\boxed{7}.</think>"], "completion_ids": [[0] * 250], "answer": ["7"]}
    # 250 tokens are within the first limit of 300 and beyond the second of 200
    assert reward(**call, trainer_state=TrainerState(global_step=9)) == [1.0]
    assert reward(**call, trainer_state=TrainerState(global_step=10)) == [0.0]


@NAMES
@pytest.mark.parametrize(
    ("group", "flat"),
    [
        ([(RIGHT, 20)] * 3, True),
        ([(WRONG, 20)] * 3, True),
        ([(UNJUDGED, 20), (UNJUDGED, 30)], False),
        ([(RIGHT, 20), (UNJUDGED, 30)], False),
    ],
    ids=["all right", "none right", "none judged", "one judged"],
)
def test_degenerate_groups_earn_finite_rewards_and_equal_completions_equal_ones(
    name: str, group: Group, flat: bool
) -> None:
    rewards = score(name, group)
    assert all(math.isfinite(reward) for reward in rewards)
    assert not flat or len(set(rewards)) == 1


@NAMES
@given(group=GROUPS)
def test_rewards_are_bounded(name: str, group: Group) -> None:
    low, high = LIMITS[name]
    assert all(low <= reward <= high for reward in score(name, group))


@NAMES
@given(group=GROUPS, step=st.integers(0, 30))
def test_a_shorter_right_answer_never_earns_less_than_a_longer_one_of_its_group(
    name: str, group: Group, step: int
) -> None:
    rewards = score(name, group, step)
    right = sorted((length, -reward) for (correct, length), reward in zip(group, rewards, strict=True) if correct)
    assert right == sorted(right, key=lambda pair: pair[1])


@NAMES
@given(group=GROUPS, data=st.data())
def test_a_permutation_of_the_group_permutes_its_rewards(name: str, group: Group, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(group))))
    rewards = score(name, group)
    assert score(name, [group[index] for index in order]) == [rewards[index] for index in order]


@NAMES
@given(group=GROUPS, length=st.integers(1, 400))
def test_a_completion_that_cannot_be_judged_changes_nobody_elses_reward(name: str, group: Group, length: int) -> None:
    alone = [reward for (correct, _), reward in zip(group, score(name, group), strict=True) if correct is not None]
    joined = [*group, (UNJUDGED, length)]
    rewards = [reward for (correct, _), reward in zip(joined, score(name, joined), strict=True) if correct is not None]
    assert rewards == alone


@given(group=GROUPS)
def test_length_among_right_sums_to_zero_so_that_a_baseline_changes_nothing(group: Group) -> None:
    assert statistics.fmean(score("length_among_right", group)) == pytest.approx(0.0, abs=1e-12)


@NAMES
def test_groups_are_scored_apart(name: str) -> None:
    groups = [[(RIGHT, 10), (WRONG, 30)], [(RIGHT, 250), (RIGHT, 350)]]
    rollouts = [
        Rollout(Judgement("7", Verdict(correct, None), finished=True, boxed=True), [0] * length, "", "7", 0)
        for group in groups
        for correct, length in group
    ]
    assert build(name, 2).score(rollouts) == [reward for group in groups for reward in score(name, group)]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("solve_rate_length", {"max_length": 0}, "`max_length` is 0; want a positive number of tokens"),
        ("shortest_right", {"max_length": "long"}, "`max_length` is 'long'; want a positive number of tokens"),
        ("difficulty_budget", {"easy": 1, "medium": -2, "hard": 3}, "`medium` is -2; want a positive number of tokens"),
        ("difficulty_budget", {"easy": 1}, "wants 'medium'"),
        ("tightening_budget", {"limits": 300, "steps_each": 1}, "`limits` is 300; want a list of falling limits"),
        ("tightening_budget", {"limits": [], "steps_each": 1}, "`limits` is []; want a list of falling limits"),
        ("tightening_budget", {"limits": [2, 3], "steps_each": 1}, "want each limit below the one before"),
        (
            "tightening_budget",
            {"limits": [3, 2], "steps_each": 0},
            "`steps_each` is 0; want a positive number of steps",
        ),
        ("length_z_among_right", {"alpha": -0.1}, "`alpha` is -0.1; want 0 or more"),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(name, 2, **parameters)
    assert message in str(caught.value)

"""Finding groups without spread, pairing them with fresh ones, and merging tensors of different widths."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trl.trainer.utils import nanstd

from fastmath.training.oversampling import (
    FLAT,
    count_tokens,
    draw_fresh_rows,
    find_groups_with_spread,
    measure_agreement,
    merge_groups,
    name_prompt,
    pair_groups,
)

NAN, PADDING = math.nan, 99
ONE = torch.ones(1)


def column(*rewards: float) -> torch.Tensor:
    return torch.tensor(rewards).unsqueeze(1)


@pytest.mark.parametrize(
    ("rewards", "spread"),
    [
        ([1.0, 0.0, 1.0, 1.0], [True, False]),
        ([NAN, 1.0, NAN, NAN], [False, False]),  # one completion, and none, has a reward
        ([NAN, 0.0, 1.0, 0.0], [False, True]),
        ([0.0, 2e-6, 0.0, 5e-7], [True, False]),  # 1e-6 lies between them
        ([-100.0, -100.00005, 100.0, 100.0005], [False, True]),  # 1e-6 of 100 is 1e-4
    ],
)
def test_a_group_has_spread_where_its_completions_earn_different_rewards(rewards, spread):
    assert find_groups_with_spread(column(*rewards), ONE, 2) == spread


def test_groups_of_equal_rewards_have_no_spread_though_their_mean_is_rounded():
    rewards = torch.full((7, 1), 0.7)
    mean = rewards.nanmean(dim=0)
    # what TRL's share of groups without spread sees: a spread of 6e-8, which it does not take for 0
    assert not torch.isclose(nanstd(rewards, dim=0), torch.zeros(1)).any()
    # and its advantages: 6e-8 / 1e-4
    assert 1e-4 < ((rewards - mean) / 1e-4).abs().max() < 1e-2
    assert find_groups_with_spread(rewards, ONE, 7) == [False]


def test_rewards_that_cancel_in_the_weighted_sum_have_no_spread():
    rewards = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    weights = torch.tensor([1.0, 0.5])
    # 1 · 1 + 0 · 0.5 = 0 · 1 + 2 · 0.5
    assert find_groups_with_spread(rewards, weights, 2) == [False]
    assert find_groups_with_spread(rewards, weights, 2, sums=False) == [True]


def test_a_reward_without_weight_makes_no_spread():
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert find_groups_with_spread(rewards, torch.tensor([1.0, 0.0]), 2, sums=False) == [False]


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=6), st.randoms())
def test_the_order_in_which_a_group_s_rewards_are_added_makes_no_spread(parts, random):
    rewards = torch.tensor([random.sample(parts, len(parts)) for _ in range(8)])
    assert find_groups_with_spread(rewards, torch.ones(len(parts)), 8) == [False]


def test_the_shares_of_groups_all_right_and_all_wrong():
    # right twice; wrong and unjudged; right and wrong; unjudged twice
    correct = [True, True, False, None, True, False, None, None]
    assert measure_agreement(correct, 2) == (0.25, 0.25)


@given(st.lists(st.booleans(), max_size=9), st.lists(st.booleans(), max_size=9))
def test_as_many_groups_are_replaced_as_lack_spread_and_have_a_fresh_one(spread, fresh):
    pairs = pair_groups(spread, fresh)
    assert len(pairs) == min(spread.count(False), fresh.count(True))
    assert all(not spread[place] and fresh[source] for place, source in pairs)
    assert all(len(set(part)) == len(pairs) for part in zip(*pairs, strict=True))


def make_batch(prompts: list[list[int]], completions: list[list[int]], **further: torch.Tensor) -> dict:
    """A batch as TRL makes it: prompts padded on the left, completions on the right."""
    width, length = max(map(len, prompts)), max(map(len, completions))
    tokens = torch.tensor([ids + [PADDING] * (length - len(ids)) for ids in completions])
    return {
        "prompt_ids": torch.tensor([[PADDING] * (width - len(ids)) + ids for ids in prompts]),
        "prompt_mask": torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]),
        "completion_ids": tokens,
        "completion_mask": torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids in completions]),
        "old_per_token_logps": -tokens.float(),
        "ref_per_token_logps": -tokens.float() - 0.5,
        "sampling_per_token_logps": -tokens.float() - 0.25,
        "importance_sampling_ratio": tokens.float() / 7,
        "advantages": torch.tensor([float(sum(ids)) for ids in completions]),
        "num_items_in_batch": torch.tensor(sum(map(len, completions))),
        **further,
    }


def read_rows(batch: dict) -> list[tuple]:
    """Everything that a batch says of each completion, without its padding."""
    rows = []
    for index, advantage in enumerate(batch["advantages"].tolist()):
        prompt, completion = (batch[f"{name}_mask"][index].bool() for name in ("prompt", "completion"))
        kept = {"prompt_ids": prompt} | dict.fromkeys(PER_TOKEN, completion)
        rows.append((advantage, *(tuple(batch[name][index][mask].tolist()) for name, mask in kept.items())))
    return rows


PER_TOKEN = [
    "completion_ids", "old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps",
    "importance_sampling_ratio",
]  # fmt: skip
GENERATIONS = 2
IDS = st.lists(st.integers(0, 90), min_size=1, max_size=6)
GROUPS = st.lists(st.tuples(IDS, IDS, IDS), min_size=1, max_size=4)


def batch_of(groups: list[tuple]) -> dict:
    """A batch of groups of a prompt and two completions."""
    return make_batch(
        [prompt for prompt, *_ in groups for _ in range(GENERATIONS)], [ids for _, *two in groups for ids in two]
    )


@given(GROUPS, GROUPS, st.data())
def test_merging_keeps_every_group_that_is_kept_and_brings_every_one_that_is_new(groups, fresh, data):
    fresh = (fresh * len(groups))[: len(groups)]
    flags = st.lists(st.booleans(), min_size=len(groups), max_size=len(groups))
    pairs = pair_groups(data.draw(flags), data.draw(flags))
    merged = merge_groups(batch_of(groups), batch_of(fresh), pairs, GENERATIONS, PADDING)
    expected = [fresh[dict(pairs)[place]] if place in dict(pairs) else group for place, group in enumerate(groups)]
    assert read_rows(merged) == read_rows(batch_of(expected))
    assert count_tokens(merged) == sum(len(ids) for _, *two in expected for ids in two)


def test_what_the_merge_adds_is_padding_on_the_side_where_padding_stands():
    short, long = batch_of([([1], [2], [3])]), batch_of([([1, 1], [2, 2, 2], [3])])
    merged = merge_groups(short, long, [], GENERATIONS, PADDING)
    assert merged["prompt_ids"].tolist() == [[PADDING, 1]] * 2
    assert merged["prompt_mask"].tolist() == [[0, 1]] * 2
    assert merged["completion_ids"].tolist() == [[2, PADDING, PADDING], [3, PADDING, PADDING]]
    assert merged["importance_sampling_ratio"][0, 1:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("policy", [0.0, -60.0, -500.0])
def test_the_padding_keeps_trl_s_exponentials_finite(policy):
    short, long = batch_of([([1], [2], [3])]), batch_of([([1], [2, 2], [3])])
    merged = merge_groups(short, long, [], GENERATIONS, PADDING)
    old, reference = (merged[f"{name}_per_token_logps"][0, 1] for name in ("old", "ref"))
    # e^88 is about the largest float32 number
    assert math.isfinite(torch.exp(policy - old))
    assert math.isfinite(torch.exp(reference - policy) - (reference - policy))


def test_a_ratio_of_whole_sequences_stays_one_number():
    batches = [
        batch_of([group]) | {"importance_sampling_ratio": torch.tensor([[ratio], [ratio]])}
        for group, ratio in ((([1], [2], [3]), 0.5), (([1], [2, 2], [3]), 0.25))
    ]
    merged = merge_groups(*batches, [(0, 0)], GENERATIONS, PADDING)
    assert merged["importance_sampling_ratio"].tolist() == [[0.25], [0.25]]


def test_tools_tokens_do_not_count():
    batch = make_batch([[1], [1]], [[2, 3], [4]], tool_mask=torch.tensor([[1, 0], [1, 1]]))
    # 2 and 4: 3 is a tool's, and what follows 4 is padding
    assert count_tokens(batch) == 2


def test_what_is_not_known_is_refused_by_its_name():
    batch = batch_of([([1], [2], [3])]) | {"pixel_values": torch.zeros(1)}
    with pytest.raises(NotImplementedError, match=r"groups with 'pixel_values' cannot be merged"):
        merge_groups(batch, batch, [], GENERATIONS, PADDING)


def test_generations_with_different_tensors_are_refused():
    batch = batch_of([([1], [2], [3])])
    fewer = {name: value for name, value in batch.items() if name != "ref_per_token_logps"}
    with pytest.raises(ValueError, match="want the same tensors in both"):
        merge_groups(batch, fewer, [], GENERATIONS, PADDING)


ROWS = [{"prompt": [{"role": "user", "content": str(number)}], "answer": number} for number in range(10)]


def draw(present: set[int], seed: int = 0, step: int = 0, count: int = 3) -> list[list[int]]:
    names = {name_prompt(ROWS[number]) for number in present}
    return [[row["answer"] for row in rows] for rows in draw_fresh_rows(ROWS, names, count, seed, step)]


def test_fresh_rows_are_drawn_once_each_until_they_do_not_suffice_for_a_round():
    rounds = draw({0, 1})
    # 10 - 2 = 8 rows make two rounds of 3
    assert [len(rows) for rows in rounds] == [3, 3]
    drawn = [*rounds[0], *rounds[1]]
    assert len(set(drawn)) == 6
    assert not {0, 1} & set(drawn)


def test_the_same_seed_step_and_batch_draw_the_same_rows():
    assert draw({0, 1}) == draw({1, 0})


@pytest.mark.parametrize("other", [{"seed": 1}, {"step": 1}, {"present": {0, 2}}])
def test_another_seed_step_or_batch_draws_others(other):
    assert draw(**{"present": {0, 1}} | other) != draw({0, 1})


def test_a_prompt_that_stands_twice_in_the_training_set_is_not_fresh():
    rows = [*ROWS[:2], ROWS[0]]
    assert [row["answer"] for [row] in draw_fresh_rows(rows, {name_prompt(ROWS[0])}, 1, 0, 0)] == [1]


def test_the_threshold_lies_above_roundings_and_below_what_trl_s_own_epsilon_lets_through():
    # float32 rounds by 6e-8 of a number; TRL divides by the spread plus 1e-4
    assert FLAT > 10 * 2**-24
    assert FLAT / (FLAT + 1e-4) < 0.01

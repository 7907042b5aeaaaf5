"""DeepSpeed's ZeRO-2 on two processes, from the file that is shipped: the trainings are those of one process."""

import json

import pytest

from helpers.fixed_rollouts import GENERATIONS, RATE
from helpers.two_processes import fine_tune, largest_difference, train_on_rollouts

pytestmark = pytest.mark.slow


def test_sft_has_the_losses_and_the_weights_of_one_process(tuned_alone, tmp_path):
    shared = fine_tune(tmp_path, zero_stage=2)
    assert shared.losses == pytest.approx(tuned_alone.losses, rel=1e-4)
    assert largest_difference(shared.weights, tuned_alone.weights) < 1e-4


@pytest.fixture(scope="module")
def shared(rollouts):
    return train_on_rollouts(rollouts, zero_stage=2)


def test_grpo_has_the_losses_and_the_gradients_of_one_process(shared, rolled_alone, rollouts):
    assert shared.zero_stage == 2
    assert json.loads((rollouts / "zero2-run" / "rehearsal.json").read_text())["rows"] == 8  # half of the completions
    assert shared.losses == pytest.approx(rolled_alone.losses, rel=1e-4)
    # the change of a weight is its gradients times the rate
    assert largest_difference(shared.weights, rolled_alone.weights) / RATE < 1e-6


def test_every_rank_has_whole_groups(shared, rollouts):
    ranks = [json.loads((rollouts / f"zero2-{rank}.json").read_text()) for rank in (0, 1)]
    starts = range(0, len(ranks[0]), GENERATIONS)
    groups = [set(prompts[start : start + GENERATIONS]) for prompts in ranks for start in starts]
    # 2 steps x 16 completions / 4 of one problem
    assert [len(group) for group in groups] == [1] * 8

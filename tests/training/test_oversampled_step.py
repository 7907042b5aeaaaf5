"""TRL's trainer with groups without spread: what it logs of them, and what it trains on in their place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fastmath.recipe.grpo import OversamplingSettings
from fastmath.recipe.load import find_accelerate_file
from fastmath.training import rollout_log
from helpers import flat_groups
from helpers.flat_groups import GENERATIONS, RecordingTrainer, make_completion, make_model, make_problem, make_trainer

HALF = {number: number % 2 == 0 for number in range(24)}
"""24 problems, of which the even ones are flat."""
ALL = OversamplingSettings(rounds=9)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


def train(trainer: RecordingTrainer) -> RecordingTrainer:
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def filled(model: Path, tmp_path_factory: pytest.TempPathFactory) -> RecordingTrainer:
    """Two steps on one batch whose groups all have spread; the old policy's log-probabilities are in the batch, too."""
    folder = tmp_path_factory.mktemp("filled")
    log = rollout_log.RolloutLog(folder, 5)
    return train(make_trainer(model, folder, HALF, ALL, rollout_log=log, max_steps=2, num_iterations=2))


def read_completions(batch: dict[str, torch.Tensor]) -> list[list[int]]:
    """Tokens of the completions of a batch without padding and without the end."""
    masks = batch["completion_mask"].bool()
    return [ids[mask].tolist()[:-1] for ids, mask in zip(batch["completion_ids"], masks, strict=True)]


def find_numbers(batch: dict[str, torch.Tensor]) -> list[int]:
    """Numbers of the problems of a batch's groups, known by all their completions."""
    known = {str([make_completion(number, index) for index in range(GENERATIONS)]): number for number in range(40)}
    completions = read_completions(batch)
    return [known[str(completions[start : start + 4])] for start in range(0, len(completions), GENERATIONS)]


def test_every_group_of_a_batch_has_spread_where_all_are_wanted(filled: RecordingTrainer) -> None:
    numbers = find_numbers(filled.batches[0])
    assert len(set(numbers)) == 4
    assert not any(HALF[number] for number in numbers)
    assert filled.state.log_history[0]["groups/with_spread"] == 1.0


def test_groups_that_have_spread_keep_their_places(filled: RecordingTrainer) -> None:
    first, trained = filled.generations[0], find_numbers(filled.batches[0])
    assert any(HALF[number] for number in first)
    kept = [place for place, number in enumerate(first) if not HALF[number]]
    assert [trained[place] for place in kept] == [first[place] for place in kept]


def test_the_first_completions_of_what_was_sampled_first_are_logged(filled: RecordingTrainer) -> None:
    logged = rollout_log.read_completions(Path(filled.args.output_dir))
    # one of each of the four prompts, and the second of the first one, for both steps on this batch
    numbers = [*filled.generations[0], filled.generations[0][0]]
    assert [(each.step, each.problem) for each in logged] == [(1, make_problem(number)) for number in numbers]
    # the first completion of a prompt that is not flat earns 0 and is wrong, the second earns 1
    expected = [0.7 if HALF[number] else place // 4 for place, number in enumerate(numbers)]
    assert [each.rewards["score"] for each in logged] == pytest.approx(expected)
    assert [each.correct for each in logged] == [reward > 0 for reward in expected]
    assert {each.cut for each in logged} == {False}


def test_no_prompt_is_sampled_twice_for_a_batch(filled: RecordingTrainer) -> None:
    sampled = [number for numbers in filled.generations for number in numbers]
    assert len(set(sampled)) == len(sampled) > 4
    assert filled.state.log_history[0]["groups/rounds"] == len(filled.generations) - 1


def test_a_merged_batch_trains_like_one_that_was_sampled_at_once(
    filled: RecordingTrainer, model: Path, tmp_path: Path
) -> None:
    same = {number: HALF[number] for number in find_numbers(filled.batches[0])}
    at_once = train(make_trainer(model, tmp_path, same, max_steps=2, num_iterations=2))
    assert {"old_per_token_logps", "ref_per_token_logps"} <= at_once.batches[0].keys() == filled.batches[0].keys()
    assert at_once.batches[0]["num_items_in_batch"] == filled.batches[0]["num_items_in_batch"]
    for name in ("loss", "grad_norm", "kl"):
        values, expected = ([row[name] for row in each.state.log_history[:2]] for each in (filled, at_once))
        assert values == pytest.approx(expected, rel=1e-4, abs=1e-7), name
    # the second step sees other weights, so that the ratios and the divergence are in its loss
    assert at_once.state.log_history[1]["kl"] > 0
    weights = at_once.model.state_dict()
    changes = [(weight - weights[name]).abs().max().item() for name, weight in filled.model.state_dict().items()]
    assert max(changes) < 1e-6


def test_enough_groups_with_spread_end_the_rounds(model: Path, tmp_path: Path) -> None:
    # one flat prompt among 24 leaves at least three of the four groups that are sampled first
    flat = {number: number == 0 for number in range(24)}
    trainer = train(make_trainer(model, tmp_path, flat, OversamplingSettings(groups=3)))
    assert len(trainer.generations) == 1
    assert trainer.state.log_history[0]["groups/rounds"] == 0


def test_the_rounds_end_where_no_prompt_has_spread(model: Path, tmp_path: Path) -> None:
    flat = dict.fromkeys(range(24), True)
    trainer = train(make_trainer(model, tmp_path, flat, OversamplingSettings(rounds=2)))
    assert len(trainer.generations) == 1 + 2
    step = trainer.state.log_history[0]
    assert (step["groups/rounds"], step["groups/with_spread"], step["groups/without_spread"]) == (2, 0.0, 1.0)


def test_the_rounds_end_where_no_fresh_prompts_are_left(model: Path, tmp_path: Path) -> None:
    # 11 prompts less 4 of the batch are one round of 4, and 3 that do not suffice for another
    trainer = train(make_trainer(model, tmp_path, dict.fromkeys(range(11), True), ALL))
    assert len(trainer.generations) == 1 + 1


def test_a_training_that_is_resumed_samples_what_it_would_have_sampled(model: Path, tmp_path: Path) -> None:
    settings = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    whole = train(make_trainer(model, tmp_path, HALF, ALL, **settings))
    resumed = make_trainer(model, tmp_path, HALF, ALL, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    rounds = int(whole.state.log_history[0]["groups/rounds"])
    assert len(resumed.generations) > 1
    assert resumed.generations == whole.generations[1 + rounds :]


def test_the_shares_of_groups_are_logged_without_oversampling_too(model: Path, tmp_path: Path) -> None:
    trainer = train(make_trainer(model, tmp_path, HALF, scale_rewards="batch"))
    step = trainer.state.log_history[0]
    flat = sum(HALF[number] for number in trainer.generations[0]) / 4
    assert 0 < flat < 1
    # all completions of a flat prompt are right, and of the others three of four
    assert (step["groups/without_spread"], step["groups/all_right"], step["groups/all_wrong"]) == (flat, flat, 0.0)
    # TRL's share is that of the whole batch's spread
    assert step["frac_reward_zero_std"] == 0.0
    assert "groups/rounds" not in step


@pytest.mark.slow
def test_two_processes_make_equal_rounds_and_replace_their_own_groups(model: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(model)
    options = ["--config_file", str(find_accelerate_file("cpu2"))]
    finished = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, flat_groups.__file__, str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    sampled = [one + other for one, other in zip(first["generations"], second["generations"], strict=True)]
    assert len(sampled) > 2
    # each generation of both has 4 different prompts, one in three of which has spread
    assert all(len(set(numbers)) == 4 for numbers in sampled)
    for step, row in enumerate(first["log"]):
        own = [told["own_tokens"][step] for told in (first, second)]
        assert first["tokens"][step] == second["tokens"][step] == sum(own)
        groups = [group for told in (first, second) for group in told["advantages"][step]]
        spread = [max(map(abs, group)) > 0.1 for group in groups]
        assert row["groups/with_spread"] == sum(spread) / 4
    assert sum(row["groups/rounds"] for row in first["log"]) == len(sampled) - 2
    # the first of the two processes logs alone, 3 completions in each of the 2 steps
    assert [each.step for each in rollout_log.read_completions(tmp_path)] == [1, 1, 1, 2, 2, 2]

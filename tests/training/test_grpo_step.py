"""One real step of TRL's trainer with our rewards: what cannot be judged moves nothing."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from fastmath.answers.judge import Judgement
from fastmath.answers.verifier import Verdict
from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.prompts import build_messages
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.grpo import RewardSettings
from fastmath.recipe.sections import NanoModelSettings
from fastmath.training.judge import Judge
from fastmath.training.rewards import build_rewards

GENERATIONS = 4
REWARDS = [
    RewardSettings(name="boxed_before_think_end"),
    RewardSettings(name="cosine", parameters={"max_length": 64}),
    RewardSettings(name="group_length"),
    RewardSettings(name="soft_overlong", parameters={"max_length": 64, "margin": 8}),
    RewardSettings(name="repetition", parameters={"ngram_size": 1}),
]


@dataclass
class ForgetfulJudge(Judge):
    """Cannot judge the first completion of every group, as if its check had overrun."""

    def judge(self, texts: Sequence[str], golds: Sequence[object], *log: object) -> list[Judgement]:
        judgements = super().judge(texts, golds, *log)
        return [
            dataclasses.replace(item, verdict=Verdict(None, "cpu time")) if index % GENERATIONS == 0 else item
            for index, item in enumerate(judgements)
        ]


@dataclass
class JudgeOfOne(Judge):
    """Can judge only the first completion of every group."""

    def judge(self, texts: Sequence[str], golds: Sequence[object], *log: object) -> list[Judgement]:
        judgements = super().judge(texts, golds, *log)
        return [
            dataclasses.replace(item, verdict=Verdict(None, "cpu time")) if index % GENERATIONS else item
            for index, item in enumerate(judgements)
        ]


def take_one_step(folder: Path, golds: list[str], judge: Judge, **settings: Any) -> GRPOTrainer:
    rows = list(generate_rows("train", NanoDataSettings(steps=(2, 3), largest=5), 50))
    texts = [f"{row['problem']}\n{row['generations'][0]}" for row in rows]
    shape = NanoModelSettings(hidden_size=32, intermediate_size=64, layers=1, heads=2, vocabulary_size=320)
    make_base_model(folder / "model", shape, texts, seed=0)
    dataset = datasets.Dataset.from_list(
        [{"prompt": build_messages(rows[0]["problem"], None), "answer": gold} for gold in golds]
    )
    config = GRPOConfig(
        output_dir=str(folder / "run"), max_steps=1, num_generations=GENERATIONS, learning_rate=1e-3, report_to=[],
        per_device_train_batch_size=GENERATIONS * len(golds), max_completion_length=64, bf16=False, seed=0,
        beta=0.0, weight_decay=0.0, gradient_checkpointing=False, save_strategy="no", logging_steps=1,
        **settings,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "model"),
        reward_funcs=build_rewards(REWARDS, GENERATIONS, judge),
        args=config,
        train_dataset=dataset,
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
    )
    trainer.train()
    return trainer


def test_a_completion_that_cannot_be_judged_has_no_advantage(tmp_path: Path) -> None:
    trainer = take_one_step(tmp_path, ["7", "8"], ForgetfulJudge())
    advantages = list(trainer._logs["advantages"])
    assert advantages[::GENERATIONS] == [0.0, 0.0]
    assert any(advantage != 0.0 for advantage in advantages)
    for name, values in trainer._logs["rewards"].items():
        assert [math.isnan(value) for value in values] == [True, False, False, False] * 2, name


@pytest.mark.parametrize(
    ("golds", "unjudged"),
    [(["7", "8"], 2), (["7", "???", "8"], 6)],  # the first of each group, and all four of one group
)
def test_rewards_that_are_normalised_apart_give_what_cannot_be_judged_no_advantage(
    tmp_path: Path, golds: list[str], unjudged: int
) -> None:
    trainer = take_one_step(tmp_path, golds, ForgetfulJudge(), multi_objective_aggregation="normalize_then_sum")
    advantages, rewards = list(trainer._logs["advantages"]), trainer._logs["rewards"]["cosine"]
    without_reward = [advantage for advantage, reward in zip(advantages, rewards, strict=True) if math.isnan(reward)]
    assert without_reward == [0.0] * unjudged
    assert all(math.isfinite(advantage) for advantage in advantages)
    assert any(advantage != 0.0 for advantage in advantages)


@pytest.mark.parametrize(
    ("golds", "judge"), [(["7", "8"], JudgeOfOne()), (["???"], Judge())], ids=["one of each group", "nothing"]
)
def test_rewards_that_are_normalised_apart_are_finite_where_there_is_nothing_to_compare(
    tmp_path: Path, golds: list[str], judge: Judge
) -> None:
    trainer = take_one_step(tmp_path, golds, judge, multi_objective_aggregation="normalize_then_sum")
    assert list(trainer._logs["advantages"]) == [0.0] * (GENERATIONS * len(golds))


def test_a_step_of_which_nothing_can_be_judged_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    trainer = take_one_step(tmp_path, ["???"], Judge())
    before = AutoModelForCausalLM.from_pretrained(tmp_path / "model").state_dict()
    after = trainer.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.state.log_history[0]["judge/cannot_judge/reference"] == 1.0

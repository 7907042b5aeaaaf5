"""GRPO of a tiny model on prompts of which some are flat: all completions of such a prompt earn the same.

Completions are given by the prompt and their number, so that whoever samples a prompt gets the same ones. As a script,
`flat_groups.py FOLDER`, it trains two steps with oversampling as one of several processes, and each rank writes what it
has seen to `rank-RANK.json`.
"""

import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig

from fastmath.nano.model import make_base_model
from fastmath.prompts import build_messages, render_prompt
from fastmath.recipe.grpo import OversamplingSettings
from fastmath.recipe.sections import NanoModelSettings
from fastmath.training.policy import WatchedGRPOTrainer
from fastmath.training.rollout_log import RolloutLog

GENERATIONS = 4
SHAPE = NanoModelSettings(hidden_size=32, intermediate_size=64, layers=1, heads=2, vocabulary_size=320)
FLAT_REWARD = 0.7
"""Whose mean is rounded in float32."""


class RecordingTrainer(WatchedGRPOTrainer):
    """A trainer that keeps what it has generated.

    Attributes:
        generations: numbers of this process's prompts, by generation.
        batches: the batches that are trained on.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.generations: list[list[int]] = []
        self.batches: list[dict[str, torch.Tensor]] = []
        super().__init__(*arguments, **options)

    def _calculate_rewards(self, inputs: list[dict[str, Any]], *arguments: Any) -> torch.Tensor:
        self.generations.append([row["number"] for row in inputs[::GENERATIONS]])
        return super()._calculate_rewards(inputs, *arguments)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches.append(super()._generate_and_score_completions(inputs))
        return self.batches[-1]


def make_model(folder: Path) -> Path:
    """Make the model in `folder`, and return its path."""
    make_base_model(folder, SHAPE, [make_problem(number) for number in range(40)], seed=0)
    return folder


def make_problem(number: int) -> str:
    """The problem of this number; they differ in length."""
    return f"{number} = " + " + ".join("1" * (1 + number % 5))


def make_completion(number: int, index: int) -> list[int]:
    """Token ids of the completion of this index of a problem, without the end; they differ in length."""
    draw = random.Random(f"{number}/{index}")
    return [draw.randrange(20, 120) for _ in range(draw.randrange(3, 4 + number))]


def score(prompts: Sequence[Any], flat: Sequence[bool], log_extra: Any, **_: object) -> list[float]:
    """Rewards: 0.7 for all completions of a flat prompt, which are all right, else 0, 1, 2, 3, of which 0 is wrong."""
    indexes = [index % GENERATIONS for index in range(len(prompts))]
    log_extra("correct", [is_flat or index > 0 for is_flat, index in zip(flat, indexes, strict=True)])
    return [FLAT_REWARD if is_flat else float(index) for is_flat, index in zip(flat, indexes, strict=True)]


def make_trainer(
    model: Path,
    folder: Path,
    flat: Mapping[int, bool],
    oversampling: OversamplingSettings | None = None,
    *,
    groups: int = 4,
    rollout_log: RolloutLog | None = None,
    **settings: Any,
) -> RecordingTrainer:
    """A trainer on these problems, by number, whose batches have so many groups in each process.

    Args:
        model: folder of the model.
        folder: folder for checkpoints.
        flat: number of a problem → whether it is flat.
        oversampling: how groups without spread are replaced.
        groups: groups of a batch of one process.
        rollout_log: where completions are logged.
        settings: further settings of GRPOConfig.
    """
    tokenizer = AutoTokenizer.from_pretrained(model)
    numbers = {make_problem(number): number for number in flat}

    def roll_out(prompts: list[Any], _: Any) -> dict[str, Any]:
        problems = [messages[-1]["content"] for messages in prompts]
        completions = [make_completion(numbers[text], index % GENERATIONS) for index, text in enumerate(problems)]
        return {
            "prompt_ids": [render_prompt(tokenizer, problem, None) for problem in problems],
            "completion_ids": [[*ids, tokenizer.eos_token_id] for ids in completions],
            "logprobs": None,
        }

    config = GRPOConfig(
        output_dir=str(folder),
        **{"max_steps": 1, "num_generations": GENERATIONS, "per_device_train_batch_size": GENERATIONS * groups}
        | {"learning_rate": 0.1, "lr_scheduler_type": "constant", "optim": "sgd", "max_grad_norm": 1e9, "beta": 0.04}
        | {"report_to": [], "bf16": False, "gradient_checkpointing": False, "save_strategy": "no", "use_cpu": True}
        | {"logging_steps": 1, "max_completion_length": 64, "seed": 0}
        | settings,
    )
    rows = [
        {"prompt": build_messages(make_problem(number), None), "number": number, "flat": is_flat}
        for number, is_flat in flat.items()
    ]
    return RecordingTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        reward_funcs=score,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        rollout_func=roll_out,
        oversampling=oversampling,
        rollout_log=rollout_log,
    )


def main() -> None:
    folder = Path(sys.argv[1])
    # One problem in three has spread, so that the processes lack different numbers of groups.
    flat = {number: number % 3 > 0 for number in range(30)}
    settings = {"use_cpu": False, "ddp_backend": "gloo", "max_steps": 2}
    oversampling, log = OversamplingSettings(rounds=2), RolloutLog(folder, 3)
    trainer = make_trainer(folder / "model", folder / "run", flat, oversampling, groups=2, rollout_log=log, **settings)
    trainer.train()
    told = {
        "generations": trainer.generations,
        "tokens": [batch["num_items_in_batch"].item() for batch in trainer.batches],
        "own_tokens": [batch["completion_mask"].sum().item() for batch in trainer.batches],
        "advantages": [batch["advantages"].view(-1, GENERATIONS).tolist() for batch in trainer.batches],
        "log": [row for row in trainer.state.log_history if "loss" in row],
    }
    (folder / f"rank-{trainer.accelerator.process_index}.json").write_text(json.dumps(told))
    trainer.accelerator.wait_for_everyone()


if __name__ == "__main__":
    main()

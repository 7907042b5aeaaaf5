"""GRPO on a tiny model with and without a rehearsal; run as `rehearsed_training.py FOLDER generates|receives`, with a
limit of memory that completions of two million tokens exceed, which the training generates or is given.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import datasets
import psutil
from torch.distributed.elastic.multiprocessing.errors import record
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig

from fastmath.nano.model import make_base_model
from fastmath.nano.rows import generate_rows
from fastmath.prompts import build_messages, render_prompt
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.grpo import RewardSettings
from fastmath.recipe.sections import NanoModelSettings
from fastmath.training.judge import Judge
from fastmath.training.policy import WatchedGRPOTrainer
from fastmath.training.rehearsal import Rehearsal
from fastmath.training.rewards import build_rewards

PROBLEMS, GENERATIONS, MEMORY = 8, 4, 3 * 2**28
"""Number of problems, completions of each, and bytes that the program may allocate for its training."""


def _make_rows() -> list[dict[str, Any]]:
    return list(generate_rows("train", NanoDataSettings(steps=(2, 3), largest=5), 50))


def make_model(folder: Path) -> None:
    """Make the model `model` in the folder, and write down how many tokens the longest prompt has."""
    rows = _make_rows()
    texts = [f"{row['problem']}\n{row['generations'][0]}" for row in rows]
    shape = NanoModelSettings(hidden_size=32, intermediate_size=64, layers=1, heads=2, vocabulary_size=320)
    make_base_model(folder / "model", shape, texts, seed=0)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    longest = max(len(render_prompt(tokenizer, row["problem"], None)) for row in rows[:PROBLEMS])
    (folder / "longest_prompt.json").write_text(json.dumps(longest))


def build_trainer(folder: Path, name: str, rehearse: bool, **settings: Any) -> WatchedGRPOTrainer:
    """A trainer of the model in the folder, which writes to the folder `name` in it."""
    output = folder / name
    output.mkdir(exist_ok=True)
    defaults = {
        "output_dir": str(output), "max_steps": 4, "num_generations": GENERATIONS, "learning_rate": 1e-2, "beta": 0.0,
        "per_device_train_batch_size": GENERATIONS, "max_completion_length": 24, "bf16": False, "seed": 0,
        "report_to": [], "gradient_checkpointing": False, "save_strategy": "no", "logging_steps": 1, "use_cpu": True,
    }  # fmt: skip
    trainer = WatchedGRPOTrainer(
        # with dropout, which draws random numbers
        model=AutoModelForCausalLM.from_pretrained(folder / "model", attention_dropout=0.1),
        reward_funcs=build_rewards(
            [RewardSettings(name="repetition", parameters={"ngram_size": 1})], GENERATIONS, Judge()
        ),
        args=GRPOConfig(**defaults | settings),
        train_dataset=datasets.Dataset.from_list(
            [
                {"prompt": build_messages(row["problem"], None), "answer": row["answer"]}
                for row in _make_rows()[:PROBLEMS]
            ]
        ),
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
    )
    if rehearse:
        trainer.add_callback(Rehearsal(trainer, output))
    return trainer


@record
def main() -> None:
    settings = {"gradient_accumulation_steps": 2, "max_completion_length": 2_000_000}
    if sys.argv[2] == "receives":
        # transformers' own batching has a budget of its own for the cache
        settings["use_transformers_continuous_batching"] = True
    trainer = build_trainer(Path(sys.argv[1]), "limited", True, **settings)
    limit = psutil.Process().memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    trainer.train()


if __name__ == "__main__":
    main()

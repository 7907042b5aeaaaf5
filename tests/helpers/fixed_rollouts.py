"""GRPO steps on rollouts that are given, by any number of processes: `fixed_rollouts.py FOLDER NAME PROCESSES`.

FOLDER holds the model in `model`. Each rank writes the prompts of its completions to `NAME-RANK.json`, in order; the
first one writes the trained model to `NAME` and the losses to `NAME.json`, with the stage of
DeepSpeed. With plain gradient descent the change of a
weight is its gradient.
"""

import json
import sys
from pathlib import Path
from typing import Any

COMPLETIONS, GENERATIONS, RATE = 16, 4, 0.5
"""Completions of one step of all processes together, completions of one prompt, and the learning rate."""


def main() -> None:
    folder, name, processes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    import datasets
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig

    from fastmath.nano.rows import generate_rows
    from fastmath.prompts import build_messages, render_prompt
    from fastmath.recipe.data import NanoDataSettings
    from fastmath.recipe.load import load_recipe
    from fastmath.training.judge import Judge
    from fastmath.training.models import save_model
    from fastmath.training.policy import WatchedGRPOTrainer
    from fastmath.training.rehearsal import Rehearsal
    from fastmath.training.rewards import build_rewards

    rows = list(generate_rows("train", NanoDataSettings(), 40))
    traces = {row["problem"]: row["generations"] for row in rows}
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    seen: list[str] = []

    def roll_out(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """The k-th completion of a prompt is one of its traces, without its first 8 k characters."""
        problems = [messages[-1]["content"] for messages in prompts]
        seen.extend(problems)
        texts = []
        for index, problem in enumerate(problems):
            k = index % GENERATIONS
            texts.append(traces[problem][k % len(traces[problem])][8 * k :])
        return {
            "prompt_ids": [render_prompt(tokenizer, problem, None) for problem in problems],
            "completion_ids": [
                tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] for text in texts
            ],
            "logprobs": None,
        }

    config = GRPOConfig(
        output_dir=str(folder / f"{name}-run"),
        **{"max_steps": 2, "num_generations": GENERATIONS, "per_device_train_batch_size": COMPLETIONS // processes},
        **{"learning_rate": RATE, "lr_scheduler_type": "constant", "optim": "sgd", "max_grad_norm": 0.0, "beta": 0.04},
        **{"report_to": [], "bf16": False, "gradient_checkpointing": False, "save_strategy": "no"},
        **{"logging_steps": 1, "max_completion_length": 512, "seed": 0},
        **({"ddp_backend": "gloo"} if processes > 1 else {"use_cpu": True}),
    )
    trainer = WatchedGRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "model"),
        reward_funcs=build_rewards(load_recipe("nano").grpo.rewards, GENERATIONS, Judge(where="anywhere")),
        args=config,
        train_dataset=datasets.Dataset.from_list(
            [{"prompt": build_messages(row["problem"], None), "answer": row["answer"]} for row in rows]
        ),
        processing_class=tokenizer,
        rollout_func=roll_out,
    )
    trainer.add_callback(Rehearsal(trainer, Path(config.output_dir)))
    trainer.train()
    (folder / f"{name}-{trainer.accelerator.process_index}.json").write_text(json.dumps(seen))
    save_model(trainer, folder / name)
    if trainer.is_world_process_zero():
        losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
        stage = trainer.deepspeed.zero_optimization_stage() if trainer.is_deepspeed_enabled else 0
        (folder / f"{name}.json").write_text(json.dumps({"losses": losses, "zero_stage": stage}))
    trainer.accelerator.wait_for_everyone()


if __name__ == "__main__":
    main()

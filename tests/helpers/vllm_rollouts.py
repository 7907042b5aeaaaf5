"""A GRPO step of a small model with vLLM's rollouts in TRL's colocate mode: `vllm_rollouts.py FOLDER SETTINGS`.

Behind the step every weight is changed, and vLLM samples again; then all logits are made equal, so that all tokens are
equally likely, and it samples twice more, to where two recipes end. The facts are printed as one JSON object.
"""

import json
import math
import os
import sys
from pathlib import Path


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    os.environ |= {"ACCELERATE_USE_CPU": "true", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    import datasets
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig

    from fastmath.engine.colocation import keep_weights_loadable
    from fastmath.nano.model import make_base_model
    from fastmath.nano.rows import generate_rows
    from fastmath.prompts import THINK_END, build_messages, render_prompt
    from fastmath.recipe.data import NanoDataSettings
    from fastmath.recipe.sections import NanoModelSettings
    from fastmath.training.policy import WatchedGRPOTrainer
    from fastmath.training.rollouts import end_rollouts

    keep_weights_loadable()
    rows = list(generate_rows("train", NanoDataSettings(), 50))
    texts = [f"{row['problem']}\n{row['generations'][0]}" for row in rows]
    shape = NanoModelSettings(hidden_size=128, intermediate_size=256, layers=2, heads=4)
    make_base_model(folder / "model", shape, texts, seed=0)
    config = GRPOConfig(
        output_dir=str(folder / "run"),
        **{"max_steps": 1, "num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 64},
        **{"learning_rate": 1e-6, "report_to": [], "bf16": False, "use_cpu": True, "gradient_checkpointing": False},
        **{"save_strategy": "no", "logging_steps": 1, "beta": 0.0},
        **{"use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": 512},
        **settings,
    )
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    with end_rollouts(config, model, tokenizer, "end_of_text"):
        trainer = WatchedGRPOTrainer(
            model=model,
            reward_funcs=lambda completions, **_: [float(index % 2) for index in range(len(completions))],
            args=config,
            train_dataset=datasets.Dataset.from_list(
                [{"prompt": build_messages(row["problem"], None)} for row in rows]
            ),
            processing_class=tokenizer,
        )
    trainer.train()
    step = next(row for row in trainer.state.log_history if "loss" in row)
    facts = {name: value for name, value in step.items() if isinstance(value, float)}
    prompts = [render_prompt(tokenizer, row["problem"], None) for row in rows[:32]]

    def sample() -> tuple[list[list[int]], list[list[float]]]:
        """Completions of every prompt and their tokens' log-probabilities, with the weights of this moment."""
        trainer.vllm_generation.sync_weights()
        _, completions, log_probabilities, _ = trainer.vllm_generation.generate(prompts, None, 1)
        return completions, [[values[0] for values in each] for each in log_probabilities]

    @torch.inference_mode()
    def measure_difference() -> float:
        """Largest difference of the sampler's and the model's log-probability of a sampled token, in nats."""
        differences = []
        for prompt, ids, sampled in zip(prompts, *sample(), strict=True):
            logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
            own = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0]
            differences.append((own - torch.tensor(sampled)).abs().max().item())
        return max(differences)

    model.eval()
    facts["difference_before"] = measure_difference()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    facts["difference_after"] = measure_difference()

    think_end = tokenizer.convert_tokens_to_ids(THINK_END)
    with torch.no_grad():
        model.model.norm.weight.zero_()
    completions, log_probabilities = sample()
    uniform = -math.log(model.config.vocab_size)
    facts["uniform_difference"] = max(abs(value - uniform) for each in log_probabilities for value in each)
    facts["with_think_end"] = sum(think_end in ids[:-1] for ids in completions)
    with end_rollouts(config, model, tokenizer, "think_end"):
        trainer.vllm_generation.generation_kwargs = config.generation_kwargs
    trainer.vllm_generation.max_completion_length = 400
    completions, _ = sample()
    facts["ended_by_think_end"] = sum(ids[-1] == think_end for ids in completions)
    facts["went_on_behind_think_end"] = sum(think_end in ids[:-1] for ids in completions)
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()

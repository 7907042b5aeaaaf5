"""One GRPO step of a small model with vLLM's rollouts in TRL's colocate mode: `vllm_rollouts.py FOLDER SETTINGS`."""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    os.environ |= {
        "ACCELERATE_USE_CPU": "true",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": os.environ.get("MASTER_PORT", "29571"),
        **dict.fromkeys(("RANK", "LOCAL_RANK"), "0"),
        "WORLD_SIZE": "1",
    }
    import datasets
    import vllm._custom_ops
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig

    from fastmath.nano.model import make_base_model
    from fastmath.nano.rows import generate_rows
    from fastmath.prompts import build_messages
    from fastmath.recipe.data import NanoDataSettings
    from fastmath.recipe.sections import NanoModelSettings
    from fastmath.training.policy import WatchedGRPOTrainer

    # oneDNN packs a layer's weights and drops them, and new ones could not be loaded (vLLM 0.31, model_executor/layers/
    # utils.py, `dispatch_cpu_unquantized_gemm`).
    vllm._custom_ops._supports_onednn = False
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
    trainer = WatchedGRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "model"),
        reward_funcs=lambda completions, **_: [float(index % 2) for index in range(len(completions))],
        args=config,
        train_dataset=datasets.Dataset.from_list([{"prompt": build_messages(row["problem"], None)} for row in rows]),
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
    )
    trainer.train()
    step = next(row for row in trainer.state.log_history if "loss" in row)
    sys.stdout.write(json.dumps({name: value for name, value in step.items() if isinstance(value, float)}) + "\n")


if __name__ == "__main__":
    main()

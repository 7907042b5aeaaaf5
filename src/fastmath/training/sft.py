"""Stage 1, long supervised fine-tuning on correct reasoning traces, with TRL's SFTTrainer.

`run` is called from the notebook and launches this module under accelerate; `python -m fastmath.training.sft FOLDER`
is the training process itself. It departs from the published code in one template for all stages, in a schedule that
ends where training ends, and in resuming where it stopped.
"""

import argparse
import sys
from pathlib import Path

import datasets
import polars
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from fastmath.prompts import CHAT_TEMPLATES, SYSTEM_PROMPTS, build_messages
from fastmath.recipe.sections import Recipe
from fastmath.runs.model_folder import check_model_folder
from fastmath.recipe.load import load_recipe
from fastmath.runs.stage import Stage
from fastmath.training.callbacks import INTERRUPTED_EXIT_CODE, MetricsWriter, StopGuard
from fastmath.training.checkpoints import stop_at_reasoning_end, train_from_last_checkpoint
from fastmath.training.launch import launch

FIRST_EPOCH = "first_epoch"


def run(stage: Stage) -> None:
    """Train the SFT model and, if the recipe asks for it, the comparison whose schedule ends after one epoch.

    Products: `model/` and `metrics.jsonl`; the comparison has a folder of its own, `first_epoch/`.
    """
    settings = stage.recipe.sft
    folders = [stage.folder, *([stage.folder / FIRST_EPOCH] if settings.first_epoch_run else [])]
    for folder in folders:
        if not (folder / "model" / "tokenizer.json").exists():  # else finished before the stage was interrupted
            launch("fastmath.training.sft", folder, settings, "--run-dir", str(stage.run_dir))
        check_model_folder(folder / "model")


def read_training_set(path: Path, system_prompt: str | None) -> datasets.Dataset:
    """The SFT set as conversations: columns `prompt` and `completion`, one list of messages each."""
    rows = polars.read_parquet(path, columns=["problem", "generation"])
    return datasets.Dataset.from_list(
        [
            {
                "prompt": build_messages(problem, system_prompt),
                "completion": [{"role": "assistant", "content": generation}],
            }
            for problem, generation in rows.iter_rows()
        ]
    )


def configure(recipe: Recipe, folder: Path, first_epoch: bool) -> SFTConfig:
    """TRL's settings for one run; the comparison's whole schedule, warm-up to zero, lies within one epoch."""
    settings = {"report_to": [], "logging_steps": 10} | recipe.sft.trainer
    if first_epoch:
        settings["num_train_epochs"] = 1
    return SFTConfig(output_dir=str(folder / "checkpoints"), seed=recipe.seed, **settings)


def train(folder: Path, run_dir: Path) -> bool:
    """Train in this process; False when it was asked to stop before the end."""
    first_epoch = folder.name == FIRST_EPOCH
    recipe = load_recipe(str((folder.parent if first_epoch else folder) / "config.yaml"))
    base = str(run_dir / "build_data" / "base_model") if recipe.model.name == "nano" else recipe.model.name
    tokenizer = AutoTokenizer.from_pretrained(base, revision=recipe.model.revision)
    tokenizer.chat_template = CHAT_TEMPLATES[recipe.model.chat_template]
    config = configure(recipe, folder, first_epoch)
    model = AutoModelForCausalLM.from_pretrained(
        base, revision=recipe.model.revision, **{"dtype": "float32"} | (config.model_init_kwargs or {})
    )
    stop_at_reasoning_end(model, tokenizer)
    config.model_init_kwargs = None
    guard = StopGuard(folder)
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=read_training_set(
            run_dir / "build_data" / "sft.parquet", SYSTEM_PROMPTS[recipe.model.system_prompt]
        ),
        processing_class=tokenizer,
        callbacks=[MetricsWriter(folder / "metrics.jsonl"), guard],
    )
    return train_from_last_checkpoint(trainer, guard, folder)


def main() -> None:
    """The training process that `launch` starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-dir", type=Path, required=True)
    arguments = parser.parse_args()
    if not train(arguments.folder, arguments.run_dir):
        sys.exit(INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()

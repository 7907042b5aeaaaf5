"""Stage 1: long supervised fine-tuning on correct reasoning traces, by TRL's SFTTrainer.

`run` is called from the notebook and launches this module under accelerate; `python -m fastmath.training.sft FOLDER`
is the training process itself. Differences from the published code: all stages use one prompt, the
learning-rate schedule ends where the training ends, and an interrupted training resumes where it stopped.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.launches import read_launch
from fastmath.recipe.load import load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.model_folder import check_model_folder, require_finite
from fastmath.runs.pipeline import make_stage
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_start_model
from fastmath.training.launch import launch, run_training_process
from fastmath.training.sets import require_training_set
from fastmath.training.trainers import build_sft_config

if TYPE_CHECKING:
    from fastmath.training.callbacks import StopGuard

FIRST_EPOCH = "first_epoch"
"""Folder, in the stage's own, of the comparison run whose schedule ends after one epoch."""


def run(stage: Stage) -> None:
    """Train the SFT model and, with `sft.first_epoch_run`, a second model whose schedule ends after one epoch.

    The products are `model/` and `metrics.jsonl`, and the same in `first_epoch/` for the second model.

    Raises:
        fastmath.recipe.errors.SettingsError: the trainer's settings cannot work, or the SFT set is too small.
        fastmath.runs.process.ChildFailedError: training failed; its log is `train.log`.
        fastmath.runs.model_folder.ModelFolderError: the trained weights are not all finite numbers.
    """
    settings = stage.recipe.sft
    build_sft_config(stage.recipe, stage.folder, processes=read_launch(settings).processes)
    require_training_set("sft", stage.recipe, stage.run_dir)
    find_start_model(stage).require_whole()
    folders = [stage.folder, *([stage.folder / FIRST_EPOCH] if settings.first_epoch_run else [])]
    for folder in folders:
        # otherwise it had finished before an interruption, or in the launch before
        if not (folder / "model" / "tokenizer.json").exists():
            launch("fastmath.training.sft", stage, settings, folder)
        check_model_folder(folder / "model")
        require_finite(folder / "model")


def train(folder: Path, run_dir: Path) -> None:
    """Train in this process, and after the whole schedule the comparison run, which saves it a launch.

    Args:
        folder: folder of the stage, with the resolved recipe in `config.yaml`, or the folder `first_epoch` in it.
        run_dir: the run folder, with the products of the data stage.
    """
    from fastmath.training.callbacks import StopGuard

    recipe, stop = load_recipe(str(run_dir / "sft" / "config.yaml")), StopGuard(folder)
    _train_model(recipe, folder, run_dir, stop)
    # DeepSpeed's plugin, one for a process, keeps the schedule of the first training.
    together = recipe.sft.first_epoch_run and not read_launch(recipe.sft).deepspeed
    if folder.name != FIRST_EPOCH and together and not stop.stopped:
        _train_model(recipe, folder / FIRST_EPOCH, run_dir, stop)


def _train_model(recipe: Recipe, folder: Path, run_dir: Path, stop: "StopGuard") -> None:
    # Late, for their weight: the notebook that launches this module imports it, too, and trains nothing itself.
    from fastmath.training.callbacks import FiniteGuard, MetricsWriter, ProgressWriter
    from fastmath.training.checkpoints import train_from_last_checkpoint
    from fastmath.training.data_order import OrderedSFTTrainer
    from fastmath.training.examples import read_training_set
    from fastmath.training.models import load_model, make_adapters

    first_epoch = folder.name == FIRST_EPOCH
    base = find_start_model(make_stage("sft", recipe, run_dir))
    config = build_sft_config(recipe, folder, first_epoch=first_epoch)
    model, tokenizer = load_model(base.name, config, base.revision)
    progress = ProgressWriter(run_dir / "sft", "one epoch" if first_epoch else "")
    trainer = OrderedSFTTrainer(
        model=model,
        args=config,
        train_dataset=read_training_set(
            run_dir / "build_data" / "sft.parquet", tokenizer, SYSTEM_PROMPTS[recipe.model.system_prompt]
        ),
        processing_class=tokenizer,
        peft_config=make_adapters(recipe.sft.lora),
        callbacks=[MetricsWriter(folder / "metrics.jsonl"), progress, FiniteGuard(), stop],
    )
    train_from_last_checkpoint(trainer, stop, folder)


if __name__ == "__main__":
    run_training_process(train)

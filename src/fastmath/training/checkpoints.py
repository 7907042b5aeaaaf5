"""Resuming a training from its last checkpoint."""

from pathlib import Path
from typing import Any

from accelerate import PartialState
from torch.serialization import register_package
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from fastmath.training.callbacks import StopGuard
from fastmath.training.models import save_model

MARK = "complete"
"""Name of an empty file in a checkpoint that is whole."""


class NoStepError(RuntimeError):
    """A training ended without a single step."""


class CheckpointMarker(TrainerCallback):
    """Marks a checkpoint that all processes have written.

    The first process writes `trainer_state.json` last (transformers `Trainer._save_checkpoint`), and another one may be
    killed before it has written its own random state, without which the training would go on differently.
    """

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        PartialState().wait_for_everyone()
        folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            (folder / MARK).touch()


def find_last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint; one whose writing was cut off by a kill is skipped. None if there is none.

    Where the last one that is kept has lost its mark to a kill, it is better than none.
    """
    written = [path for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*") if (path / "trainer_state.json").is_file()]
    return max(written, key=lambda path: ((path / MARK).is_file(), int(path.name.rpartition("-")[2])), default=None)


def train_from_last_checkpoint(trainer: Trainer, guard: StopGuard, folder: Path) -> None:
    """Train from the last checkpoint, or from the beginning if there is none, and save the result as `model/`.

    A training that `guard` has stopped before the end saves a checkpoint and no model.

    Args:
        trainer: the trainer, with `guard` among its callbacks.
        guard: callback that stops the training on request.
        folder: folder of the training, with the checkpoints in `checkpoints/`.

    Raises:
        NoStepError: the training set does not suffice for a single step.
    """
    trainer.add_callback(CheckpointMarker())
    checkpoint = find_last_checkpoint(folder / "checkpoints")
    # Several processes on the CPU have the device `cpu:0` (accelerate/state.py, `set_device`), to which the Trainer
    # maps the optimiser's state, and of which torch's own readers know only the name `cpu`.
    register_package(0, lambda _: None, lambda storage, location: storage if location.startswith("cpu:") else None)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if trainer.state.global_step == 0:
        raise NoStepError(
            f"no step was made: {len(trainer.train_dataset)} training examples do not suffice for one; give more data, "
            "or lower `per_device_train_batch_size`, `gradient_accumulation_steps` or, in GRPO, `steps_per_generation`"
        )
    if not guard.stopped:
        save_model(trainer, folder / "model")
    # Rank 0 alone writes the end of a checkpoint; the launcher ends all ranks as soon as one of them has ended.
    trainer.accelerator.wait_for_everyone()

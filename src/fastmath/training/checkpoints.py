"""Resuming a training from its last checkpoint."""

from pathlib import Path

from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from fastmath.training.callbacks import StopGuard


def find_last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint; one whose writing was cut off by a kill is skipped. None if there is none.

    The Trainer writes `trainer_state.json` last (transformers `Trainer._save_checkpoint`).
    """
    complete = [path for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*") if (path / "trainer_state.json").is_file()]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def train_from_last_checkpoint(trainer: Trainer, guard: StopGuard, folder: Path) -> bool:
    """Train from the last checkpoint, or from the beginning if there is none, and save the result as `model/`.

    Args:
        trainer: the trainer, with `guard` among its callbacks.
        guard: callback that stops the training on request.
        folder: folder of the training, with the checkpoints in `checkpoints/`.

    Returns:
        False if `guard` stopped the training before the end; then no model is saved.
    """
    checkpoint = find_last_checkpoint(folder / "checkpoints")
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if guard.stopped:
        return False
    trainer.save_model(str(folder / "model"))
    return True

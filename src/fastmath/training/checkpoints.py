"""Where training goes on after an interruption."""

from pathlib import Path

from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from fastmath.training.callbacks import StopGuard


def find_last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; one cut off by a kill is passed over.

    The Trainer writes `trainer_state.json` last (transformers `Trainer._save_checkpoint`).
    """
    complete = [path for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*") if (path / "trainer_state.json").is_file()]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def train_from_last_checkpoint(trainer: Trainer, guard: StopGuard, folder: Path) -> bool:
    """Train, going on from the folder's last checkpoint, and save `model/`; False when asked to stop before the end."""
    checkpoint = find_last_checkpoint(folder / "checkpoints")
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if guard.stopped:
        return False
    trainer.save_model(str(folder / "model"))
    return True

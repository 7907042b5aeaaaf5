"""Resuming a training from its last checkpoint, and keeping the models among which its product is chosen."""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from peft import PeftModel
from torch.serialization import register_package
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from fastmath.runs.files import write_json
from fastmath.training.callbacks import StopGuard
from fastmath.training.models import load_adapters, save_adapters, save_model
from fastmath.training.selection import CHOICE_FILE, Validation, choose_step, list_candidates, read_validations

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
    return max(written, key=lambda path: ((path / MARK).is_file(), _read_step(path)), default=None)


class CandidateKeeper:
    """Keeps the models that may become the product of a training, whatever `save_total_limit` says.

    They lie in `candidates/step-00015/` of the stage's folder: weights and tokenizer, or only the adapters where
    adapters are trained, and no optimiser states.
    """

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        """Set whose models to keep.

        Args:
            trainer: the trainer.
            folder: the stage's folder.
        """
        self._trainer, self._folder = trainer, folder

    def keep(self, validations: Sequence[Validation]) -> None:
        """Save the present model if it may be chosen, and remove those that no longer may.

        Args:
            validations: those so far, of which the last one has measured the present model.
        """
        wanted, step = list_candidates(validations), validations[-1].step
        if step in wanted:
            unfinished = self._folder / "candidates" / "unfinished"
            if self._trainer.is_world_process_zero():
                for left in (unfinished, self._path(step)):  # by a training that was killed
                    shutil.rmtree(left, ignore_errors=True)
            self._trainer.accelerator.wait_for_everyone()
            if isinstance(self._trainer.model, PeftModel):
                save_adapters(self._trainer, unfinished)
            else:
                save_model(self._trainer, unfinished)
            self._trainer.accelerator.wait_for_everyone()
            if self._trainer.is_world_process_zero():
                unfinished.rename(self._path(step))
        if self._trainer.is_world_process_zero():
            for path in self._list_paths():
                if _read_step(path) not in wanted:
                    shutil.rmtree(path)
        self._trainer.accelerator.wait_for_everyone()

    def finish(self) -> None:
        """Make the chosen model the product, `model/`, and write down which it is; the others are removed."""
        kept = {_read_step(path) for path in self._list_paths()}
        step = choose_step([each for each in read_validations(self._folder) if each.step in kept])
        model = self._folder / "model"
        if self._trainer.is_world_process_zero():
            write_json(self._folder / CHOICE_FILE, {"step": step, "steps": self._trainer.state.global_step})
        if isinstance(self._trainer.model, PeftModel):
            load_adapters(self._trainer, self._path(step))
            save_model(self._trainer, model)
        elif self._trainer.is_world_process_zero():
            self._path(step).rename(model)
        if self._trainer.is_world_process_zero():
            shutil.rmtree(self._folder / "candidates")
        self._trainer.accelerator.wait_for_everyone()

    def _list_paths(self) -> list[Path]:
        return sorted((self._folder / "candidates").glob("step-*"))

    def _path(self, step: int) -> Path:
        return self._folder / "candidates" / f"step-{step:05d}"


def _read_step(path: Path) -> int:
    """Number of steps in the name of a checkpoint or a candidate."""
    return int(path.name.rpartition("-")[2])


@functools.cache  # torch cannot order two functions of one priority
def _register_numbered_cpu() -> None:
    """Let torch read what lies on the device `cpu:0`, of which its own readers know only the name `cpu`.

    Several processes on the CPU have this device (accelerate/state.py, `set_device`), and the Trainer maps the
    optimiser's state to it.
    """
    register_package(0, lambda _: None, lambda storage, location: storage if location.startswith("cpu:") else None)


def train_from_last_checkpoint(
    trainer: Trainer, guard: StopGuard, folder: Path, keeper: CandidateKeeper | None = None
) -> None:
    """Train from the last checkpoint, or from the beginning if there is none, and save the result as `model/`.

    A training that `guard` has stopped before the end saves a checkpoint and no model.

    Args:
        trainer: the trainer, with `guard` among its callbacks.
        guard: callback that stops the training on request.
        folder: folder of the training, with the checkpoints in `checkpoints/`.
        keeper: chooses the model that is saved; None saves the last one.

    Raises:
        NoStepError: the training set does not suffice for a single step.
    """
    trainer.add_callback(CheckpointMarker())
    checkpoint = find_last_checkpoint(folder / "checkpoints")
    _register_numbered_cpu()
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if trainer.state.global_step == 0:
        raise NoStepError(
            f"no step was made: {len(trainer.train_dataset)} training examples do not suffice for one; give more data, "
            "or lower `per_device_train_batch_size`, `gradient_accumulation_steps` or, in GRPO, `steps_per_generation`"
        )
    if not guard.stopped and keeper is not None:
        keeper.finish()
    elif not guard.stopped:
        save_model(trainer, folder / "model")
    # Rank 0 alone writes the end of a checkpoint; the launcher ends all ranks as soon as one of them has ended.
    trainer.accelerator.wait_for_everyone()

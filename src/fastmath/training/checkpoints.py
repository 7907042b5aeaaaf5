"""Where training goes on after an interruption, and where generation ends."""

from pathlib import Path

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from fastmath.prompts import THINK_END
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


def stop_at_reasoning_end(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make `</think>` an end of generation beside the model's own, in training, evaluation and kernel alike.

    TRL's GRPOTrainer, transformers and vLLM all take the ends of generation from the saved generation config.

    Raises:
        ValueError: `</think>` is not one token of this tokenizer.
    """
    ids = tokenizer.encode(THINK_END, add_special_tokens=False)
    if len(ids) != 1:
        raise ValueError(f"{THINK_END} makes {len(ids)} tokens here; want one: add it to the tokenizer before training")
    model.generation_config = model.generation_config or GenerationConfig()
    known = model.generation_config.eos_token_id
    known = [] if known is None else [known] if isinstance(known, int) else list(known)
    model.generation_config.eos_token_id = list(dict.fromkeys([*ids, *known, tokenizer.eos_token_id]))

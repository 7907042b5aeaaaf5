"""Loading the model to train, and saving what was trained."""

from pathlib import Path

from peft import LoraConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
)
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.trainer import TRAINING_ARGS_NAME
from trl import GRPOConfig, SFTConfig

from fastmath.recipe.training import LoraSettings


def load_model(
    name: str, config: SFTConfig | GRPOConfig, revision: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer, in float32 unless `config.model_init_kwargs` names another `dtype`.

    Args:
        name: a local folder or a Hub name.
        config: trainer settings; their `model_init_kwargs` are used here and then set to None, because TRL ignores
            them, with a warning, for a model that is already loaded.
        revision: commit of a Hub model; None takes the newest.
    """
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    settings = {"dtype": "float32"} | (config.model_init_kwargs or {})
    config.model_init_kwargs = None
    model = AutoModelForCausalLM.from_pretrained(name, revision=revision, **settings)
    model.generation_config = model.generation_config or GenerationConfig()
    return model, tokenizer


def make_adapters(settings: LoraSettings | None) -> LoraConfig | None:
    """The configuration of adapters for TRL's `peft_config`; None trains all weights."""
    if settings is None:
        return None
    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def save_adapters(trainer: Trainer, folder: Path) -> None:
    """Save the adapters alone, for a model that is trained further and not merged."""
    if trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)


def load_adapters(trainer: Trainer, folder: Path) -> None:
    """Put adapters that were saved back into the model of a trainer."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    set_peft_model_state_dict(model, load_peft_weights(str(folder), device="cpu"))


def save_model(trainer: Trainer, folder: Path) -> None:
    """Save what was trained as an ordinary checkpoint with its tokenizer; adapters are merged into the weights.

    Adapters need all weights on every process, so theirs are trainings that do not cut them (ZeRO-3).
    """
    if is_deepspeed_zero3_enabled():
        trainer.save_model(str(folder))  # all processes, which send their parts to the first one
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # a pickle, and nobody's but the trainer's
        return
    if not trainer.is_world_process_zero():
        return
    # Not by the trainer: under ZeRO-2 it would write the weights twice that input and output layer share.
    model = trainer.accelerator.unwrap_model(trainer.model)
    whole = model.merge_and_unload() if isinstance(model, PeftModel) else model
    whole.save_pretrained(folder)
    trainer.processing_class.save_pretrained(folder)

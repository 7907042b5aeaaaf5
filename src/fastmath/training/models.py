"""Loading the model that is trained, and where its generation ends."""

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, SFTConfig

from fastmath.prompts import find_end_ids


def load_model(
    name: str, config: SFTConfig | GRPOConfig, revision: str | None = None, chat_template: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load model and tokenizer, in float32 where `config.model_init_kwargs` names no other `dtype`.

    Args:
        name: a local folder or a Hub name.
        config: whose `model_init_kwargs` are used, and cleared: TRL takes them only with a model's name.
        revision: commit of a Hub model.
        chat_template: replaces the tokenizer's own; None keeps it.
    """
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    settings = {"dtype": "float32"} | (config.model_init_kwargs or {})
    config.model_init_kwargs = None
    model = AutoModelForCausalLM.from_pretrained(name, revision=revision, **settings)
    end_at_think_end(model, tokenizer)
    return model, tokenizer


def end_at_think_end(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make `</think>` a stop token beside the model's own, in training, evaluation and kernel alike.

    TRL's GRPOTrainer, transformers and vLLM all take the stop tokens from the saved generation config.

    Raises:
        ValueError: `</think>` is not one token of this tokenizer.
    """
    model.generation_config = model.generation_config or GenerationConfig()
    known = model.generation_config.eos_token_id
    known = [] if known is None else [known] if isinstance(known, int) else known
    model.generation_config.eos_token_id = find_end_ids(tokenizer, known)

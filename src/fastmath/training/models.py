"""Loading the model to train, and setting its stop tokens."""

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, SFTConfig

from fastmath.prompts import find_end_ids


def load_model(
    name: str, config: SFTConfig | GRPOConfig, revision: str | None = None, chat_template: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer, in float32 unless `config.model_init_kwargs` names another `dtype`.

    Args:
        name: a local folder or a Hub name.
        config: trainer settings; their `model_init_kwargs` are used here and then set to None, because TRL ignores
            them, with a warning, for a model that is already loaded.
        revision: commit of a Hub model; None takes the newest.
        chat_template: chat template that replaces the tokenizer's own; None keeps the tokenizer's.
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
    """Add `</think>` to the model's stop tokens, so that generation ends there in training, evaluation and kernel.

    The stop tokens are kept in the model's generation config, where TRL's GRPOTrainer, transformers and vLLM read them.

    Raises:
        ValueError: the tokenizer does not encode `</think>` as one token.
    """
    model.generation_config = model.generation_config or GenerationConfig()
    known = model.generation_config.eos_token_id
    known = [] if known is None else [known] if isinstance(known, int) else known
    model.generation_config.eos_token_id = find_end_ids(tokenizer, known)

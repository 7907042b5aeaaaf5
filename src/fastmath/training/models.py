"""Loading the model to train."""

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, SFTConfig


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

"""Shapes of the models that the shipped recipes name, as data, and what follows from a shape alone.

A plan needs no download. The comments name the file of each model that a shape is to agree with.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fastmath.recipe.errors import SettingsError, suggest
from fastmath.recipe.sections import Recipe


class UnknownShapeError(SettingsError):
    """A model cannot be planned, because its shape or its architecture is not known here."""


@dataclass(frozen=True)
class ModelShape:
    """Shape of a dense decoder of the Qwen2, Qwen3 or Llama architecture, in the names of its `config.json`.

    Attributes:
        model_type: `qwen2` (biases on queries, keys and values), `qwen3` (norms on queries and keys) or `llama`.
        hidden_size: width of the hidden states.
        intermediate_size: width of the feed-forward layers.
        num_hidden_layers: number of layers.
        num_attention_heads: heads of the queries.
        num_key_value_heads: heads of the keys and values.
        head_dim: width of one head.
        vocab_size: rows of the embedding, padding included.
        tie_word_embeddings: whether the output layer is the embedding.
    """

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The shape in a model's `config.json`.

        Raises:
            UnknownShapeError: an architecture that is not known here, or a key is missing.
        """
        known = ("qwen2", "qwen3", "llama")
        kind = config.get("model_type")
        if kind not in known:
            raise UnknownShapeError(f"a model of type {kind!r} cannot be planned; want one of {', '.join(known)}")
        try:
            heads = config["num_attention_heads"]
            return cls(
                model_type=kind,
                hidden_size=config["hidden_size"],
                intermediate_size=config["intermediate_size"],
                num_hidden_layers=config["num_hidden_layers"],
                num_attention_heads=heads,
                num_key_value_heads=config.get("num_key_value_heads") or heads,
                head_dim=config.get("head_dim") or config["hidden_size"] // heads,
                vocab_size=config["vocab_size"],
                tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
            )
        except KeyError as error:
            raise UnknownShapeError(f"the model's config.json has no {error}; want a whole one") from error

    @property
    def query_width(self) -> int:
        """Width of all queries together."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_value_width(self) -> int:
        """Width of all keys together, and of all values together."""
        return self.num_key_value_heads * self.head_dim

    @property
    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """Name of each linear layer of a block → (inputs, outputs)."""
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            "q_proj": (hidden, self.query_width),
            "k_proj": (hidden, self.key_value_width),
            "v_proj": (hidden, self.key_value_width),
            "o_proj": (self.query_width, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def layer_parameters(self) -> int:
        """Number of parameters of one layer."""
        weights = sum(inputs * outputs for inputs, outputs in self.linear_shapes.values())
        biases = self.query_width + 2 * self.key_value_width if self.model_type == "qwen2" else 0
        head_norms = 2 * self.head_dim if self.model_type == "qwen3" else 0
        return weights + biases + head_norms + 2 * self.hidden_size

    @property
    def embedding_parameters(self) -> int:
        """Number of parameters of the embedding, and again of the output layer where it is another one."""
        return self.vocab_size * self.hidden_size * (1 if self.tie_word_embeddings else 2)

    @property
    def parameters(self) -> int:
        """Number of parameters of the model.

        Example: Qwen2.5-14B has 48 layers of 275,266,560 and twice 152,064 · 5,120 in its embedding and output layer,
        and a last norm of 5,120: 14,770,033,664.
        """
        return self.num_hidden_layers * self.layer_parameters + self.embedding_parameters + self.hidden_size

    def find_adapted(self, targets: tuple[str, ...] | str) -> dict[str, tuple[int, int]]:
        """The linear layers of a block that get adapters, as in `linear_shapes`."""
        shapes = self.linear_shapes
        return shapes if targets == "all-linear" else {name: shapes[name] for name in shapes if name in targets}

    def lora_parameters(self, rank: int, targets: tuple[str, ...] | str = "all-linear") -> int:
        """Number of trained parameters of LoRA adapters (Hu et al. 2021, arXiv 2106.09685).

        Args:
            rank: rank of the two matrices that stand for each layer's change.
            targets: names of the layers with an adapter, or `all-linear`, all of a block.

        Example: a layer of 576 inputs and 192 outputs at rank 8 has 8 · (576 + 192) = 6,144.
        """
        return self.num_hidden_layers * rank * sum(map(sum, self.find_adapted(targets).values()))

    def pass_flops(self, context: float) -> float:
        """Operations of one token's forward pass: two for each weight that multiplies it, and its attention.

        Args:
            context: length of the sequence that the token stands in, in tokens, of which it sees half on average.

        Example: Qwen2.5-14B multiplies a token by 13,991,465,984 weights (all but the embedding); in a sequence of
        8,000 tokens it takes 2 · 13,991,465,984 for these and 48 · 2 · 8,000 · 5,120 for its attention, 3.2e10.
        """
        multiplied = self.parameters - (0 if self.tie_word_embeddings else self.vocab_size * self.hidden_size)
        return 2 * multiplied + 2 * self.num_hidden_layers * context * self.query_width

    def weight_bytes(self, width: float = 2, group_size: int | None = None) -> float:
        """Size of the weights, in bytes.

        Args:
            width: bytes of a weight.
            group_size: weights of the linear layers that share a scale and a zero point, where these are in 4 bits.
        """
        if group_size is None:
            return width * self.parameters
        linear = self.num_hidden_layers * sum(inputs * outputs for inputs, outputs in self.linear_shapes.values())
        return 0.5 * linear + 2.5 * linear / group_size + width * (self.parameters - linear)

    def cache_bytes(self, bytes_per_value: float = 2) -> float:
        """Size of the keys and values of one token in the KV cache, in bytes."""
        return 2 * self.num_hidden_layers * self.key_value_width * bytes_per_value


_QWEN25_14B = ModelShape("qwen2", 5120, 13824, 48, 40, 8, 128, 152064, tie_word_embeddings=False)

SHAPES: Mapping[str, ModelShape] = {
    # deepseek-ai/DeepSeek-R1-Distill-Qwen-14B/config.json; Fast-Math-R1-14B is trained from it.
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": _QWEN25_14B,
    "RabotniKuma/Fast-Math-R1-14B": _QWEN25_14B,
    # nvidia/OpenMath-Nemotron-14B/config.json; trained from Qwen2.5-14B.
    "nvidia/OpenMath-Nemotron-14B": _QWEN25_14B,
    # Qwen/Qwen3-14B/config.json
    "Qwen/Qwen3-14B": ModelShape("qwen3", 5120, 17408, 40, 40, 8, 128, 151936, tie_word_embeddings=False),
    # deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B/config.json
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": ModelShape(
        "qwen2", 1536, 8960, 28, 12, 2, 128, 151936, tie_word_embeddings=False
    ),
    # HuggingFaceTB/SmolLM2-135M-Instruct/config.json
    "HuggingFaceTB/SmolLM2-135M-Instruct": ModelShape(
        "llama", 576, 1536, 30, 9, 3, 64, 49152, tie_word_embeddings=True
    ),
}
"""Shapes by name on the Hub."""


def find_shape(recipe: Recipe, root: Path) -> ModelShape:
    """The shape of a recipe's base model: the embedded one, one of `SHAPES`, or that of a local folder.

    Args:
        recipe: the recipe.
        root: folder at which a relative path of a local model starts.

    Raises:
        UnknownShapeError: a Hub model whose shape is not known here, or a folder without a readable `config.json`.
    """
    name = recipe.model.name
    if recipe.model.nano is not None:
        nano = recipe.model.nano
        head = nano.hidden_size // nano.heads
        shape = (nano.hidden_size, nano.intermediate_size, nano.layers, nano.heads, nano.heads, head)
        return ModelShape("qwen2", *shape, nano.vocabulary_size, tie_word_embeddings=True)
    config = root / name / "config.json"
    if config.is_file():
        return ModelShape.from_config(json.loads(config.read_text()))
    if name in SHAPES:
        return SHAPES[name]
    raise UnknownShapeError(
        f"the shape of {name!r} is not known{suggest(name, SHAPES)}; download the model and name its folder, or add it "
        "to `fastmath.planning.shapes.SHAPES`"
    )

"""The embedded model: a Qwen2-architecture network of about half a million parameters and a tokenizer of its own.

The tokenizer is a byte-level BPE inside `Qwen2Tokenizer`, the class that `AutoTokenizer` picks for a Qwen2 config, so
that a saved tokenizer gives the same ids when `AutoTokenizer` or vLLM loads it. Every digit is a token of its own, and
any Unicode text can be encoded.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from fastmath.prompts import NANO_TEMPLATE, THINK_END, THINK_START
from fastmath.recipe.sections import NanoModelSettings

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|pad|>"


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = 512) -> Qwen2Tokenizer:
    """Train a byte-level BPE tokenizer on `texts`; each marker of reasoning or of a turn is a single token."""
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(texts, vocabulary_size - 5, show_progress=False)
    tokenizer.add_tokens(["<|user|>", "<|assistant|>", THINK_START, THINK_END])
    tokenizer.add_special_tokens({"pad_token": PADDING, "eos_token": END_OF_TEXT})
    tokenizer.chat_template = NANO_TEMPLATE
    return tokenizer


def make_base_model(folder: Path, settings: NanoModelSettings, texts: Iterable[str], seed: int) -> None:
    """Train the tokenizer, initialise the model and save both as an ordinary safetensors checkpoint.

    Args:
        folder: where the checkpoint is written.
        settings: sizes of the model and of the vocabulary.
        texts: texts that the tokenizer is trained on.
        seed: seed of the random weights.

    Raises:
        RuntimeError: the saved tokenizer gives other ids when it is loaded again.
    """
    texts = list(texts)
    tokenizer = train_tokenizer(texts, settings.vocabulary_size)
    build_model(tokenizer, settings, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    reloaded = AutoTokenizer.from_pretrained(folder)
    for text in texts[:100]:
        if reloaded(text)["input_ids"] != tokenizer(text)["input_ids"]:
            raise RuntimeError(f"{folder}: AutoTokenizer gives other ids than the tokenizer that was saved: {text!r}")


def build_model(tokenizer: Qwen2Tokenizer, settings: NanoModelSettings, seed: int) -> Qwen2ForCausalLM:
    """A Qwen2 model in float32 with random weights, which `seed` determines."""
    config = Qwen2Config(
        # 4-bit kernels need a multiple of 32; ids beyond the tokenizer's own are never sampled after training.
        vocab_size=-(-len(tokenizer) // 32) * 32,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.max_positions,
        initializer_range=settings.initializer_range,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    return Qwen2ForCausalLM(config)

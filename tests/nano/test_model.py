"""The embedded model and tokenizer."""

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from fastmath.nano.model import build_model, make_base_model, train_tokenizer
from fastmath.nano.rows import generate_rows
from fastmath.prompts import render_prompt
from fastmath.recipe.data import NanoDataSettings
from fastmath.recipe.sections import NanoModelSettings

TEXTS = [f"{row['problem']}\n{row['generations'][0]}" for row in generate_rows("train", NanoDataSettings(), 200)]
OTHER_TEXTS = ["é∑ 数学 \U0001f600", "a  b\n\n\tc", "12,345.67", r"\boxed{\frac{1}{2}}", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nano") / "model"
    make_base_model(folder, NanoModelSettings(), TEXTS, seed=0)
    return folder


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS)


@pytest.mark.parametrize("text", [TEXTS[0], *OTHER_TEXTS])
def test_ids_are_the_same_after_save_and_autotokenizer(folder, tokenizer, text):
    assert AutoTokenizer.from_pretrained(folder)(text)["input_ids"] == tokenizer(text)["input_ids"]


@pytest.mark.parametrize("text", [TEXTS[0], *OTHER_TEXTS])
def test_any_text_survives_encoding(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_ends_of_reasoning_are_single_tokens(tokenizer):
    assert [len(tokenizer.encode(mark)) for mark in ("<think>", "</think>")] == [1, 1]


def test_the_model_has_well_under_a_million_parameters(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert sum(parameter.numel() for parameter in model.parameters()) < 700_000


def test_the_same_seed_gives_the_same_weights(tokenizer):
    first, second = (build_model(tokenizer, NanoModelSettings(), seed=1) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_rendered_prompt_opens_the_reasoning(tokenizer):
    assert tokenizer.decode(render_prompt(tokenizer, "1 + 1?", None)).endswith("<think>\n")

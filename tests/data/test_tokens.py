"""Counting tokens: the same numbers as the tokenizer's, with less work."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.data.tokens import TokenCounter
from fastmath.nano.model import train_tokenizer
from fastmath.nano.rows import generate_rows
from fastmath.recipe.data import NanoDataSettings

WORDS = st.sampled_from(
    [
        *(
            "So ",
            "we ",
            "get ",
            "\\frac{1}{2}",
            " = ",
            "42",
            "\n\n",
            " ",
            "  ",
            "\t",
            "don't",
            "I'M",
            "<think>",
            "</think>",
        ),
        *("\r\n", "é", "e\u0301", "日本", "\u00a0", "!!", "...\n", "\u0663", "x", "≤", "'", "\u2019s"),
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=5), max_size=200).map("".join)


@pytest.fixture(scope="module")
def tokenizer():
    rows = generate_rows("train", NanoDataSettings(), 200)
    return train_tokenizer([text for row in rows for text in (row["problem"], *row["generations"])], 600)


@pytest.fixture(scope="module")
def counter(tokenizer):
    return TokenCounter(tokenizer.backend_tokenizer.to_str())


def length(tokenizer, text):
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_a_byte_level_tokenizer_is_counted_by_its_pretokens(counter):
    assert counter.is_fast


@given(TEXTS)
@settings(deadline=None)
def test_every_text_has_as_many_tokens_as_the_tokenizer_says(tokenizer, counter, text):
    assert counter.count(text) == length(tokenizer, text)


@pytest.mark.parametrize("unit", ["a", " ", "\n", "ab ", "7", "<think>", "日", "(1) 3*4=2\n", "!", "\u0301", "' "])
def test_texts_longer_than_a_chunk_are_counted_exactly(tokenizer, counter, unit):
    text = unit * (9_999 // len(unit))
    assert counter.count(text) == length(tokenizer, text)


@given(TEXTS, st.integers(0, 400))
@settings(deadline=None)
def test_exceeding_a_limit_is_having_more_tokens(tokenizer, counter, text, limit):
    assert counter.exceeds(text, limit) is (length(tokenizer, text) > limit)


@given(st.lists(TEXTS, min_size=1, max_size=5))
@settings(deadline=None)
def test_the_shortest_has_the_fewest_tokens_and_is_the_first_of_equals(tokenizer, counter, texts):
    lengths = [length(tokenizer, text) for text in texts]
    assert counter.shortest(texts) == (lengths.index(min(lengths)), min(lengths))


def test_another_kind_of_tokenizer_is_asked_itself(tokenizer):
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    description["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    }
    counter = TokenCounter(json.dumps(description))
    assert not counter.is_fast
    assert counter.count("one two") > 0


def test_there_is_no_shortest_of_no_texts(counter):
    with pytest.raises(ValueError, match="no texts"):
        counter.shortest([])

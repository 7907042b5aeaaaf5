"""Exact token counts of long traces without tokenizing them, and without reading further than a comparison needs.

A byte-level BPE tokenizer cuts a text into pre-tokens (words, numbers, punctuation) by a regular expression and merges
bytes only within each pre-token, so a text has as many tokens as its pre-tokens together. Traces repeat a small
vocabulary, so looking up pre-tokens in a dictionary is several times faster than the tokenizer. Moreover, most
comparisons with a limit are decided before the end of the text: what is not yet counted has at most as many tokens as
UTF-8 bytes, and at least as many as words.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import regex
from tokenizers import Tokenizer

CHUNK_CHARACTERS = 2_048
_MEMORY_ENTRIES = 2_000_000
_PROBE = (
    "So x^2 = 1,024 and I'm sure: \\boxed{32}.\n\n  Wait,  naïve\t#1 <think>\n\u00bd don't\u00a0</think> ...\r\n "
    "e\u0301 \u65e5\u672c\u8a9e \u0663 <|im_end|>  \n"
) * 80


class TokenCounter:
    """Counts tokens as `len(tokenizer(text, add_special_tokens=False)["input_ids"])` does."""

    def __init__(self, tokenizer_json: str) -> None:
        """Load a tokenizer and choose how to count.

        Texts are tokenized in full if the tokenizer is not a byte-level BPE with exactly one regular expression, or if
        the count by pre-tokens differs from its own on a probe of difficult text.

        Args:
            tokenizer_json: content of a `tokenizer.json`, which can be sent to any process.
        """
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokens_of = _Memory(self._tokenizer)
        description = json.loads(tokenizer_json)
        pattern = _read_pattern(description)
        self._pattern = None if pattern is None else regex.compile(pattern)
        self._added = _read_added_tokens(description)
        self._normalizes = description.get("normalizer") is not None
        if self._pattern is not None and self.count(_PROBE) != self._tokenize(_PROBE):
            self._pattern = None

    @property
    def is_fast(self) -> bool:
        """Whether texts are counted by their pre-tokens rather than tokenized in full."""
        return self._pattern is not None

    def count(self, text: str) -> int:
        """Number of tokens of a text."""
        if self._pattern is None:
            return self._tokenize(text)
        return sum(tokens for tokens, _ in self._count_chunks(self._normalize(text)))

    def exceeds(self, text: str, limit: int) -> bool:
        """Whether a text has more than `limit` tokens.

        Example: a text of 16,000 bytes with one token per three bytes is known to have at most 12,800 tokens once 4,800
        bytes are counted: 1,600 tokens counted + 11,200 bytes left = 12,800.
        """
        size = len(text.encode())
        if size <= limit:
            return False
        if self._pattern is None:
            return self._tokenize(text) > limit
        text, counted = self._normalize(text), 0
        left = len(text.encode())
        for tokens, piece in self._count_chunks(text):
            counted += tokens
            left -= len(piece) if piece.isascii() else len(piece.encode())
            if counted > limit or counted + left <= limit:
                break
        return counted > limit

    def shortest(self, texts: Sequence[str]) -> tuple[int, int]:
        """Index and token count of the text with the fewest tokens; the first of several such texts.

        Texts are counted from the one with the fewest characters on, each only until it exceeds the fewest tokens so
        far.

        Raises:
            ValueError: there are no texts.
        """
        if not texts:
            raise ValueError("there is no shortest of no texts")
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        best, fewest = order[0], self.count(texts[order[0]])
        for index in order[1:]:
            # Every word has at least one token, and counting words is fast.
            if len(texts[index].split()) > fewest or self.exceeds(texts[index], fewest):
                continue
            best, fewest = min((best, fewest), (index, self.count(texts[index])), key=lambda item: (item[1], item[0]))
        return best, fewest

    def _tokenize(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _normalize(self, text: str) -> str:
        return unicodedata.normalize("NFC", text) if self._normalizes and not text.isascii() else text

    def _count_chunks(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield (tokens, text) of successive pieces that together make up the text."""
        pieces = (text,) if self._added is None else self._added.split(text)
        for index, piece in enumerate(pieces):
            if index % 2:  # `split` puts each match of its group, an added token, between two other pieces
                yield 1, piece
            else:
                yield from self._count_pretokens(piece)

    def _count_pretokens(self, text: str) -> Iterator[tuple[int, str]]:
        position = 0
        while position < len(text):
            end = position + CHUNK_CHARACTERS
            found = self._pattern.findall(text, position, end)
            # A chunk that ends within the text may cut its last pre-tokens short, so they are left to the next chunk.
            if end < len(text) and len(found) > 2:
                del found[-2:]
            elif end < len(text):
                found = self._pattern.findall(text, position)
            piece = "".join(found)
            position += len(piece)
            yield sum(map(self._tokens_of.__getitem__, found)), piece


class _Memory(dict[str, int]):
    """Number of tokens of each pre-token, computed when it is first looked up; at most `_MEMORY_ENTRIES` are kept."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, pretoken: str) -> int:
        tokens = len(self._tokenizer.encode(pretoken, add_special_tokens=False).ids)
        if len(self) < _MEMORY_ENTRIES:
            self[pretoken] = tokens
        return tokens


def _read_pattern(description: dict[str, Any]) -> str | None:
    """The regular expression of a byte-level BPE tokenizer that cuts by exactly one; None for any other tokenizer."""
    pre_tokenizer = description.get("pre_tokenizer") or {}
    normalizer = description.get("normalizer") or {"type": "NFC"}
    steps = pre_tokenizer.get("pretokenizers", [])
    if description["model"]["type"] != "BPE" or normalizer["type"] != "NFC" or len(steps) != 2:
        return None
    split, byte_level = steps
    simple = split["type"] == "Split" and split["behavior"] == "Isolated" and not split["invert"]
    plain = byte_level["type"] == "ByteLevel" and not (byte_level["use_regex"] or byte_level["add_prefix_space"])
    return split["pattern"].get("Regex") if simple and plain else None


def _read_added_tokens(description: dict[str, Any]) -> regex.Pattern[str] | None:
    """A pattern of the added tokens, which are cut out of a text before anything else, the longest first."""
    contents = sorted((token["content"] for token in description["added_tokens"]), key=len, reverse=True)
    return regex.compile("(" + "|".join(map(regex.escape, contents)) + ")") if contents else None

"""Counting the tokens of long traces without tokenizing them, exactly, and no further than a question needs.

A byte-level BPE tokenizer cuts a text into pre-tokens (words, numbers, punctuation) by a regular expression and merges
bytes within each of them alone, so a text has as many tokens as its pre-tokens have together. Traces repeat a small
vocabulary: a dictionary of pre-tokens counts several times faster than the tokenizer. And most questions are decided
before the end: what is still uncounted has at most as many tokens as UTF-8 bytes, and at least as many as words.
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
        """Take the text of a `tokenizer.json`, which can be sent to any process.

        A tokenizer that is no byte-level BPE behind one regular expression counts by tokenizing; so does one whose
        counts differ on a probe of difficult text.
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
        """Whether texts are counted by their pre-tokens."""
        return self._pattern is not None

    def count(self, text: str) -> int:
        """Number of tokens of a text."""
        if self._pattern is None:
            return self._tokenize(text)
        return sum(tokens for tokens, _ in self._count_chunks(self._normalize(text)))

    def exceeds(self, text: str, limit: int) -> bool:
        """Whether a text has more than `limit` tokens.

        Example: of a text of 16,000 bytes and one token in three bytes, 4,800 bytes are counted to learn that it has
        not more than 12,800 tokens: 1,600 + 11,200.
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
        """Index and length in tokens of the text of fewest tokens, the first of equals.

        Texts are looked at from the one of fewest characters on; a longer one only until it has lost.

        Raises:
            ValueError: there are no texts.
        """
        if not texts:
            raise ValueError("there is no shortest of no texts")
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        best, fewest = order[0], self.count(texts[order[0]])
        for index in order[1:]:
            # A word is a pre-token at least, and counting words is fast.
            if len(texts[index].split()) > fewest or self.exceeds(texts[index], fewest):
                continue
            best, fewest = min((best, fewest), (index, self.count(texts[index])), key=lambda item: (item[1], item[0]))
        return best, fewest

    def _tokenize(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _normalize(self, text: str) -> str:
        return unicodedata.normalize("NFC", text) if self._normalizes and not text.isascii() else text

    def _count_chunks(self, text: str) -> Iterator[tuple[int, str]]:
        """(tokens, text) of successive pieces that make up the whole."""
        pieces = (text,) if self._added is None else self._added.split(text)
        for index, piece in enumerate(pieces):
            if index % 2:  # `split` returns what its group matched, an added token, between the other pieces
                yield 1, piece
            else:
                yield from self._count_pretokens(piece)

    def _count_pretokens(self, text: str) -> Iterator[tuple[int, str]]:
        position = 0
        while position < len(text):
            end = position + CHUNK_CHARACTERS
            found = self._pattern.findall(text, position, end)
            # Where a chunk ends within the text, its last pre-tokens could go on and are found again.
            if end < len(text) and len(found) > 2:
                del found[-2:]
            elif end < len(text):
                found = self._pattern.findall(text, position)
            piece = "".join(found)
            position += len(piece)
            yield sum(map(self._tokens_of.__getitem__, found)), piece


class _Memory(dict[str, int]):
    """Pre-token → its tokens, tokenized when it is first met."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, pretoken: str) -> int:
        tokens = len(self._tokenizer.encode(pretoken, add_special_tokens=False).ids)
        if len(self) < _MEMORY_ENTRIES:
            self[pretoken] = tokens
        return tokens


def _read_pattern(description: dict[str, Any]) -> str | None:
    """The regular expression of a byte-level BPE tokenizer that cuts by exactly one; None for any other."""
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
    """A pattern of the tokens that are cut out of a text before anything else, the longest first."""
    contents = sorted((token["content"] for token in description["added_tokens"]), key=len, reverse=True)
    return regex.compile("(" + "|".join(map(regex.escape, contents)) + ")") if contents else None

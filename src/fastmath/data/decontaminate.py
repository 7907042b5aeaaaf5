"""Finding problems that also stand in an evaluation set, and problems that stand in the training set twice."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 128
"""Number of hash functions in a MinHash signature."""
SHINGLE_WORDS = 3
"""Words in one shingle, the unit whose sets are compared for near duplicates."""


@dataclass(frozen=True)
class HeldOutProblem:
    """A problem that no model may be trained on.

    Attributes:
        name: name of the held-out set.
        id: identifier of the problem in this set.
        problem: text of the problem.
    """

    name: str
    id: str
    problem: str


@dataclass(frozen=True)
class Match:
    """The held-out problem that another problem repeats.

    Attributes:
        name: name of the held-out set.
        id: identifier of the held-out problem in this set.
        share: share of the held-out problem's n-grams that the other problem contains, 0-1; 1 for the same text.
        exact: whether both texts consist of the same letters and digits.
    """

    name: str
    id: str
    share: float
    exact: bool


def normalize_problem(text: str) -> str:
    r"""The text in a form that statements of one problem share: NFKC, lower case, only words, numbers and operators.

    Example: `Find  $x$ if \(x+1=2\).` and `find x if x+1 = 2` both become `find x if x + 1 = 2`.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[-+*/=<>^!|%]", text))


def squeeze_problem(text: str) -> str:
    """The letters and digits of the text, for the comparison with held-out problems.

    This drops more than `normalize_problem`, because a missed held-out problem costs more than a lost training problem.
    """
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).lower())


class HeldOut:
    """An index of held-out problems by their texts and by the n-grams of their words (see `normalize_problem`)."""

    def __init__(self, problems: Iterable[HeldOutProblem], ngram: int, share: float) -> None:
        """Index the problems.

        Args:
            problems: the problems of all held-out sets.
            ngram: number of words in one n-gram; shorter problems are matched only by their whole text.
            share: smallest share of a held-out problem's n-grams, 0-1, with which another problem counts as repeating
                it.
        """
        self._ngram = ngram
        self._share = share
        self._by_text: dict[str, HeldOutProblem] = {}
        self._by_ngram: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._problems: list[HeldOutProblem] = []
        self._sizes: list[int] = []
        for problem in problems:
            text = squeeze_problem(problem.problem)
            if not text:  # no word and no number: nothing can repeat it
                continue
            self._by_text.setdefault(text, problem)
            ngrams = set(self._split(problem.problem))
            for item in ngrams:
                self._by_ngram[item].append(len(self._problems))
            self._problems.append(problem)
            self._sizes.append(len(ngrams))

    def match(self, problem: str) -> Match | None:
        """The most similar of the held-out problems that `problem` repeats; None where it repeats none.

        Example: with n-grams of 2 words and a share of 0.5, `find the sum of 3 and 5` repeats
        `find the sum of 3 and 4 now`, because it contains 5 of its 7 word pairs, a share of 0.71.
        """
        same = self._by_text.get(squeeze_problem(problem))
        if same is not None:
            return Match(same.name, same.id, 1.0, exact=True)
        found: Counter[int] = Counter()
        for item in set(self._split(problem)):
            found.update(self._by_ngram.get(item, ()))
        index = max(found, key=lambda candidate: found[candidate] / self._sizes[candidate], default=None)
        if index is None or found[index] < self._share * self._sizes[index]:
            return None
        held_out = self._problems[index]
        return Match(held_out.name, held_out.id, found[index] / self._sizes[index], exact=False)

    def _split(self, text: str) -> Iterator[tuple[str, ...]]:
        words = normalize_problem(text).split()
        return (tuple(words[start : start + self._ngram]) for start in range(len(words) - self._ngram + 1))


def find_near_duplicates(problems: Sequence[str], threshold: float) -> dict[int, int]:
    """Map the index of each problem that rewords an earlier one to the index of the earlier one.

    Two problems are near duplicates if the Jaccard similarity between their sets of three-word shingles, estimated by
    MinHash, is at least `threshold` (0-1), and if they have the same numbers in the same order, because `7^100 mod 5`
    is another problem than `7^101 mod 5`.
    """
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    kept: dict[int, tuple[MinHash, list[str]]] = {}
    repeats: dict[int, int] = {}
    words = [normalize_problem(problem).split() for problem in problems]
    shingles = [{" ".join(item[i : i + SHINGLE_WORDS]).encode() for i in range(len(item))} for item in words]
    for position, signature in enumerate(MinHash.bulk(shingles, num_perm=PERMUTATIONS)):
        numbers = [word for word in words[position] if word[0].isdigit()]
        earlier = [
            other
            for other in sorted(index.query(signature))
            if kept[other][1] == numbers and kept[other][0].jaccard(signature) >= threshold
        ]
        if earlier:
            repeats[position] = earlier[0]
        else:
            kept[position] = (signature, numbers)
            index.insert(position, signature)
    return repeats

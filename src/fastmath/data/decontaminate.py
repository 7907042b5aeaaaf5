"""Problems that also stand in an evaluation set, and problems that stand in the training set twice."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 128
SHINGLE_WORDS = 3


@dataclass(frozen=True)
class HeldOutProblem:
    """A problem that no model may be trained on: its set, its id there, its text."""

    name: str
    id: str
    problem: str


@dataclass(frozen=True)
class Match:
    """What a problem was found to repeat.

    Attributes:
        name, id: of the held-out problem.
        share: of the held-out problem's n-grams that were found; 1 for the same text.
        exact: whether letters and digits agree throughout.
    """

    name: str
    id: str
    share: float
    exact: bool


def normalize_problem(text: str) -> str:
    r"""What two statements of one problem share: NFKC, lower case, its words, numbers and operators alone.

    Example: `Find  $x$ if \(x+1=2\).` and `find x if x+1 = 2` both become `find x if x + 1 = 2`.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[-+*/=<>^!|%]", text))


def squeeze_problem(text: str) -> str:
    """Letters and digits alone, for the comparison with held-out problems, where a miss costs more than a loss."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).lower())


class HeldOut:
    """An index of held-out problems by text and by n-gram of `normalize_problem`'s words."""

    def __init__(self, problems: Iterable[HeldOutProblem], ngram: int, share: float) -> None:
        """Index the problems.

        Args:
            problems: of all held-out sets.
            ngram: words in one n-gram; shorter problems are matched by their text alone.
            share: part of a held-out problem's n-grams from which on another problem repeats it.
        """
        self._ngram = ngram
        self._share = share
        self._by_text: dict[str, HeldOutProblem] = {}
        self._by_ngram: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._problems: list[HeldOutProblem] = []
        self._sizes: list[int] = []
        for problem in problems:
            self._by_text.setdefault(squeeze_problem(problem.problem), problem)
            ngrams = set(self._split(problem.problem))
            for item in ngrams:
                self._by_ngram[item].append(len(self._problems))
            self._problems.append(problem)
            self._sizes.append(len(ngrams))

    def match(self, problem: str) -> Match | None:
        """The held-out problem that `problem` repeats, the most similar one; None where it repeats none.

        Example: with n-grams of 2 and a share of 0.5, `find the sum of 3 and 5` has 4 of the 6 pairs of
        `find the sum of 3 and 4 now`: 5 of 7, a share of 0.71, and repeats it.
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
    """Index of each problem that rewords an earlier one → index of that one.

    Near duplicates have a Jaccard similarity of at least `threshold` between their sets of three-word shingles,
    estimated by MinHash, and the same numbers in the same order: `7^100 mod 5` is not `7^101 mod 5`.
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

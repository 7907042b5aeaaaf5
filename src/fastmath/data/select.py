"""The rules that turn sources into training sets, each a pure function.

Where the paper leaves room: a share of exactly the bound of "above" does not pass, exact bounds of "between" do; a
problem that two draws of one source would take is taken once; length bounds count the tokens of correct generations.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fastmath.config import RuleSettings

Item = TypeVar("Item")


@dataclass(frozen=True)
class JudgedProblem:
    """A problem whose generations have been judged and measured.

    Attributes:
        correct: one flag a generation.
        tokens: token count of each generation by the base model's tokenizer.
    """

    source: str
    index: int
    problem: str
    answer: str
    generations: tuple[str, ...]
    correct: tuple[bool, ...]
    tokens: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """Share of the generations that are correct; 2 of 4 gives 0.5."""
        return sum(self.correct) / len(self.correct)

    @property
    def shortest_correct(self) -> int | None:
        """Index of the correct generation with the fewest tokens, the first of equals; None without a correct one."""
        candidates = [index for index, correct in enumerate(self.correct) if correct]
        return min(candidates, key=lambda index: self.tokens[index], default=None)


def passes_rule(problem: JudgedProblem, rule: RuleSettings) -> bool:
    """Whether a problem lies within a rule's bounds of accuracy and trace length."""
    if rule.accuracy_above is not None and problem.accuracy <= rule.accuracy_above:
        return False
    if not rule.accuracy_at_least <= problem.accuracy <= rule.accuracy_at_most:
        return False
    if rule.trace_tokens_above is None:
        return True
    lengths = [tokens for tokens, correct in zip(problem.tokens, problem.correct, strict=True) if correct]
    return max(lengths, default=0) > rule.trace_tokens_above


def draw(items: Sequence[Item], count: int | None, seed: int, key: Callable[[Item], str]) -> list[Item]:
    """Draw `count` items, or all where it is None; the draw depends on the seed and the keys, not on their order.

    Every key is hashed with the seed and the smallest hashes win, so that a further item displaces at most one.
    """
    if count is None or count >= len(items):
        return list(items)
    chosen = sorted(items, key=lambda item: hashlib.sha256(f"{seed}/{key(item)}".encode()).digest())[:count]
    chosen_keys = {key(item) for item in chosen}
    return [item for item in items if key(item) in chosen_keys]


def apply_rules(problems: Sequence[JudgedProblem], rules: Sequence[RuleSettings], seed: int) -> list[JudgedProblem]:
    """Join the draws of a source; without rules, every problem is kept."""
    if not rules:
        return list(problems)
    taken: dict[int, JudgedProblem] = {}
    for rule in rules:
        passing = [problem for problem in problems if passes_rule(problem, rule) and problem.index not in taken]
        for problem in draw(passing, rule.draw, seed, key=lambda item: normalize_problem(item.problem)):
            taken[problem.index] = problem
    return sorted(taken.values(), key=lambda problem: problem.index)


def normalize_problem(text: str) -> str:
    r"""What two statements of one problem share: NFKC, lower case, its words, numbers and operators alone.

    Example: `Find  $x$ if \(x+1=2\).` and `find x if x+1 = 2` both become `find x if x + 1 = 2`.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[-+*/=<>^!|%]", text))


def remove_duplicates(
    problems: Iterable[JudgedProblem], known: Iterable[str]
) -> tuple[list[JudgedProblem], list[JudgedProblem], list[JudgedProblem]]:
    """Split problems into kept ones, repetitions of an earlier one, and those that stand in `known` held-out ones."""
    held_out = {normalize_problem(text) for text in known}
    seen: set[str] = set()
    kept, repeated, contaminated = [], [], []
    for problem in problems:
        key = normalize_problem(problem.problem)
        if key in held_out:
            contaminated.append(problem)
        elif key in seen:
            repeated.append(problem)
        else:
            seen.add(key)
            kept.append(problem)
    return kept, repeated, contaminated

"""The rules that turn sources into training sets, each a pure function.

Where the paper leaves room: a share of exactly the bound of "above" does not pass, exact bounds of "between" do; a
trace of exactly 12,800 tokens is not longer than that; length bounds count the tokens of correct generations; a problem
that two draws of one source would take is taken by the first, and the second draws from the others.
"""

import hashlib
from collections.abc import Iterable, Sequence

from fastmath.recipe.data import RuleSettings


def share_correct(correct: Sequence[bool]) -> float:
    """Accuracy of a problem: the share of its generations that are correct; 2 of 4 gives 0.5."""
    return sum(correct) / len(correct)


def passes_accuracy(accuracy: float, rule: RuleSettings) -> bool:
    """Whether a problem's accuracy lies within a rule's bounds."""
    if rule.accuracy_above is not None and accuracy <= rule.accuracy_above:
        return False
    return rule.accuracy_at_least <= accuracy <= rule.accuracy_at_most


def rank(key: str, seed: int) -> bytes:
    """Where a problem stands in the draws of a seed: a hash of both, so that no other problem moves it."""
    return hashlib.sha256(f"{seed}/{key}".encode()).digest()


def draw(keys: Iterable[str], count: int | None, seed: int) -> set[str]:
    """Draw `count` of the different keys, or all where it is None.

    The draw depends on the seed and on the keys, not on their order: the smallest ranks win, so that a further key
    displaces at most one.
    """
    different = set(keys)
    if count is None or count >= len(different):
        return different
    return set(sorted(different, key=lambda key: rank(key, seed))[:count])


def join_draws(
    keys: Sequence[str], passes: Sequence[Sequence[bool]], rules: Sequence[RuleSettings], seed: int
) -> set[str]:
    """Join the draws of a source; without rules, every problem is kept.

    Args:
        keys: of the source's problems; a problem that stands in two rows has one key.
        passes: which of the rules each row passes.
        rules: in their order; a later one draws from what the earlier ones left.
        seed: of the draws.
    """
    if not rules:
        return set(keys)
    taken: set[str] = set()
    for number, rule in enumerate(rules):
        passing = {key for key, passed in zip(keys, passes, strict=True) if passed[number]}
        taken |= draw(passing - taken, rule.draw, seed)
    return taken

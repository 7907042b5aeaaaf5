"""The rules that turn sources into training sets, each a pure function.

Where the paper leaves room (exact bounds, problems that several draws or sources would take), the rules follow the
choices that every data card states: see `_CHOICES` in `fastmath.data.card`.
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
    """Sort key of a problem in the draws of a seed: a hash of both, so that it does not depend on other problems."""
    return hashlib.sha256(f"{seed}/{key}".encode()).digest()


def draw(keys: Iterable[str], count: int | None, seed: int) -> set[str]:
    """Draw `count` of the distinct keys, or all of them where `count` is None.

    The draw depends on the seed and on the keys, but not on their order. The keys of smallest rank are drawn, so that
    one further key displaces at most one of them.
    """
    different = set(keys)
    if count is None or count >= len(different):
        return different
    return set(sorted(different, key=lambda key: rank(key, seed))[:count])


def join_draws(
    keys: Sequence[str], passes: Sequence[Sequence[bool]], rules: Sequence[RuleSettings], seed: int
) -> set[str]:
    """Keys that the draws of a source choose together; without rules, all keys.

    Args:
        keys: key of the problem in each row; rows with the same problem have the same key.
        passes: for each row, whether it passes each of the rules.
        rules: rules in the order of their draws; a later rule draws from the problems that the earlier ones left.
        seed: seed of the draws.
    """
    if not rules:
        return set(keys)
    taken: set[str] = set()
    for number, rule in enumerate(rules):
        passing = {key for key, passed in zip(keys, passes, strict=True) if passed[number]}
        taken |= draw(passing - taken, rule.draw, seed)
    return taken

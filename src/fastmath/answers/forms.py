r"""Answers of forms that math-verify does not know: clock times, congruences, definitions, and lists that go on.

Each form is read from the text and compared by a rule of its own; None means that a rule does not apply.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from fastmath.answers.integers import to_int

MAX_CHARACTERS = 500
"""Longest answer that is looked at, in characters."""
_MAX_TERMS = 10_000

Compare = Callable[[str, str], bool | None]

_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-5][0-9]))?(?::(?P<second>[0-5][0-9]))?"
    r"(?:\s|~|\\[,;: ])*(?:\\(?:text|textrm|mathrm)\s*\{\s*)?(?:(?P<half>[ap])\.?\s?m\.?)?\s*\}?",
    re.IGNORECASE,
)
_RATIO = re.compile(r"[0-9]{1,9}(?:\s*:\s*[0-9]{1,9})+")
_MODULO = re.compile(
    r"\(?\s*(?:\\text\s*\{\s*\(?\s*mod(?:ulo)?\s*\}?|\\[bp]?mod(?![A-Za-z])|(?<![A-Za-z])mod(?![A-Za-z]))"
)
_EQUIVALENT = re.compile(r"\\equiv(?![A-Za-z])")
_ELLIPSIS = re.compile(r"\\[lc]?dots|\.\.\.")
_OPEN_SUM = re.compile(r"(?:[-+*]|\\(?:cdot|times))\s*(?:\\[lc]?dots(?![A-Za-z])|\.\.\.)")
_COMMA = re.compile(r"\s*(?<![{\\]),\s*")
_BRACKETS = re.compile(r"(?:\\left)?(?:\\\{|[\[({])(?P<items>.*?)(?:\\right)?(?:\\\}|[\])}])", re.DOTALL)
_TUPLE = re.compile(r"(?:\\left)?\((?P<items>[^()]*(?:\([^()]*\)[^()]*)*?)(?:\\right)?\)")
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z])\s*=\s*(?P<value>[^=<>]+)")
_NAMED = re.compile(r"[A-Za-z]\s*(?:=|\\in(?![A-Za-z]))")
_DEFINITION = re.compile(r"\s*(?:[A-Za-z]\s*\(\s*(?P<variable>[A-Za-z])\s*\)|y)\s*=(?P<term>[^=<>]+)")


def compare_forms(gold: str, prediction: str, compare: Compare) -> bool | None:
    """Verdict of the first rule that applies; None where none does. Congruences are compared before, by exact rules.

    Args:
        gold: reference answer, undressed.
        prediction: predicted answer, undressed.
        compare: compares parts of the two answers.
    """
    if max(len(gold), len(prediction)) > MAX_CHARACTERS:
        return None
    for simple in (compare_times, compare_ratios):
        verdict = simple(gold, prediction)
        if verdict is not None:
            return verdict
    for rule in (compare_progressions, compare_definitions, compare_assignments):
        verdict = rule(gold, prediction, compare)
        if verdict is not None:
            return verdict
    return None


def has_form(gold: str) -> bool:
    """Whether an undressed reference is judged by these rules alone: a clock time with its half of the day."""
    match = _TIME.fullmatch(gold.strip()) if len(gold) <= MAX_CHARACTERS else None
    return match is not None and match["half"] is not None and _count_seconds(match) is not None


def compare_times(gold: str, prediction: str) -> bool | None:
    """Whether two clock times are the same; None where one of them is no time, or where both may be ratios.

    Missing seconds are zero, and a half of the day counts: `4:30 p.m.` is `16:30` and not `4:30`.

    Example: `12:30:00` is `12:30`, and `8:34 p.m.` is `20:34`.
    """
    matches = _TIME.fullmatch(gold.strip()), _TIME.fullmatch(prediction.strip())
    if None in matches or not any(match["second"] or match["half"] for match in matches):
        return None
    seconds = [_count_seconds(match) for match in matches]
    return None if None in seconds else seconds[0] == seconds[1]


def compare_ratios(gold: str, prediction: str) -> bool | None:
    """Whether two ratios of integers are the same; those with a zero only where all figures are.

    Example: `2:4:6` is `1:2:3`, and not `2:4`.
    """
    if not (_RATIO.fullmatch(gold) and _RATIO.fullmatch(prediction)):
        return None
    golds, predictions = ([int(part) for part in text.split(":")] for text in (gold, prediction))
    if len(golds) != len(predictions) or 0 in (*golds, *predictions):
        return golds == predictions
    return all(one * predictions[0] == golds[0] * other for one, other in zip(golds, predictions, strict=True))


def compare_congruences(gold: str, prediction: str) -> bool | None:
    r"""Whether two congruences name the same classes: of the same modulus, and of the same residues modulo it.

    Example: `n \equiv 3 \pmod{7}` is `10 \pmod 7`, and not `3 \pmod 5`.
    """
    if max(len(gold), len(prediction)) > MAX_CHARACTERS:
        return None
    classes = _read_congruence(gold), _read_congruence(prediction)
    return None if None in classes else classes[0] == classes[1]


def compare_progressions(gold: str, prediction: str, compare: Compare) -> bool | None:
    r"""Whether two lists are the same of which at least one has an ellipsis; None where none has.

    Integers with a common difference are written out. Of other lists, all terms that are written must be equal.

    Example: `1, 2, \ldots, 5` is `1, 2, 3, 4, 5`; `1, 2, \ldots, n` is not `1, 3, \ldots, 2n-1`.
    """
    if _OPEN_SUM.search(gold) or _OPEN_SUM.search(prediction):
        return False  # nobody says which terms the dots stand for
    golds, predictions = _read_list(gold), _read_list(prediction)
    if not (golds.goes_on or predictions.goes_on):
        return None
    if golds.common_difference and predictions.common_difference:
        return golds.common_difference == predictions.common_difference
    written = golds.write_out(), predictions.write_out()
    if None not in written:
        return set(written[0]) == set(written[1])
    same = golds.goes_on == predictions.goes_on and len(golds.after) == len(predictions.after)
    terms = list(zip(golds.terms, predictions.terms, strict=False))
    return same and len(golds.terms) == len(predictions.terms) and all(compare(*pair) is True for pair in terms)


def compare_definitions(gold: str, prediction: str, compare: Compare) -> bool | None:
    """Whether a curve `y = …` and a function `f(x) = …` are the same; None where it is not one of each."""
    matches = _DEFINITION.fullmatch(gold), _DEFINITION.fullmatch(prediction)
    if None in matches or bool(matches[0]["variable"]) == bool(matches[1]["variable"]):
        return None
    return compare(matches[0]["term"].strip(), matches[1]["term"].strip())


def compare_assignments(gold: str, prediction: str, compare: Compare) -> bool | None:
    """Whether the values of several names, by their alphabet, are a tuple; None where it is not one of each.

    Example: `y=3, x=2` is `(2,3)` and not `(3,2)`.
    """
    for one, other in ((gold, prediction), (prediction, gold)):
        values, tuples = _read_assignments(one), _TUPLE.fullmatch(other.strip())
        if values is None or tuples is None or "=" in other:
            continue
        items = [item.strip() for item in _COMMA.split(tuples["items"])]
        pairs = list(zip(values, items, strict=False)) if one is gold else list(zip(items, values, strict=False))
        return len(items) == len(values) and all(compare(*pair) is True for pair in pairs)
    return None


def _read_assignments(answer: str) -> list[str] | None:
    """Values of two names and more, in the order of the names; None where the answer is anything else."""
    parts = [_ASSIGNMENT.fullmatch(part) for part in _COMMA.split(answer.strip())]
    if len(parts) < 2 or None in parts or len({part["name"] for part in parts}) < len(parts):
        return None
    return [part["value"] for part in sorted(parts, key=lambda part: part["name"])]


def _count_seconds(match: re.Match[str]) -> int | None:
    """Seconds since midnight; None where the figures are no time."""
    hour, half = int(match["hour"]), (match["half"] or "").lower()
    if not (match["minute"] or half) or hour > (12 if half else 24) or (half and hour == 0):
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return hour * 3600 + int(match["minute"] or 0) * 60 + int(match["second"] or 0)


def _read_congruence(answer: str) -> tuple[object, ...] | None:
    """Modulus and residues, as integers where they are; None where the answer is no congruence."""
    parts = _MODULO.split(answer)
    if len(parts) != 2:
        return None
    modulus = parts[1].strip(" {}()")
    residues = _COMMA.split(_EQUIVALENT.split(parts[0])[-1].strip())
    number, values = to_int(modulus), [to_int(residue) for residue in residues]
    if number is None or number <= 0 or None in values:
        return "".join(modulus.split()), "".join("".join(residues).split())
    return number, frozenset(value % number for value in values)


@dataclass(frozen=True)
class _List:
    """The items of an answer.

    Attributes:
        before: items before the ellipsis, or all of them.
        after: items behind the ellipsis.
        goes_on: whether there is an ellipsis.
    """

    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    goes_on: bool = False

    @property
    def terms(self) -> tuple[str, ...]:
        return self.before + self.after

    @property
    def common_difference(self) -> tuple[int, int] | None:
        """(first term, difference) of an endless list of integers; None for any other."""
        steps = self._find_steps()
        return steps if steps is not None and self.goes_on and not self.after else None

    def write_out(self) -> tuple[int, ...] | None:
        """All integers of a list that ends; None where they are no integers, or follow no common difference."""
        terms = [to_int(term) for term in self.terms]
        if None in terms:
            return None
        if not self.goes_on:
            return tuple(terms)
        steps = self._find_steps()
        if steps is None or not self.after:
            return None
        first, difference = steps
        if (terms[-1] - first) // difference > _MAX_TERMS:
            return None
        written = tuple(range(first, terms[-1] + (1 if difference > 0 else -1), difference))
        return written if set(terms) <= set(written) else None

    def _find_steps(self) -> tuple[int, int] | None:
        terms = [to_int(term) for term in self.before]
        if None in terms or len(terms) < 2:
            return None
        differences = {later - earlier for earlier, later in itertools.pairwise(terms)}
        difference = differences.pop()
        return (terms[0], difference) if not differences and difference else None


def _read_list(answer: str) -> _List:
    answer = answer.strip()
    if named := _NAMED.match(answer):
        answer = answer[named.end() :].strip()
    bracketed = _BRACKETS.fullmatch(answer)
    items = tuple(item.strip() for item in _COMMA.split(bracketed["items"] if bracketed else answer))
    ellipses = [position for position, item in enumerate(items) if _ELLIPSIS.fullmatch(item)]
    if len(ellipses) != 1 or ellipses[0] == 0:
        return _List(items)
    return _List(items[: ellipses[0]], items[ellipses[0] + 1 :], goes_on=True)

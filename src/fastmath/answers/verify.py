r"""Whether a predicted answer equals the reference answer.

Cheap exact rules come first (equal strings, equal integers), then math-verify 0.9.0. Its comparison is not symmetric,
so its arguments are in the order that it documents, reference first. Notations that it misreads are rewritten
beforehand (`fastmath.answers.notation`), and equalities that it misses are checked afterwards
(`fastmath.answers.agreement`).

The time-outs of math-verify are off, because they rely on SIGALRM, which raises an error outside the main thread.
Instead, costly input is refused by `fastmath.answers.cost`, and model output should be verified in the worker processes
of a `fastmath.answers.verifier.Verifier`.
"""

import itertools
import logging
import re
from collections.abc import Sequence
from typing import Any

import math_verify
from sympy import Float

from fastmath.answers.agreement import agree
from fastmath.answers.cost import is_cheap
from fastmath.answers.exactness import contradict
from fastmath.answers.extract import extract_boxed
from fastmath.answers.forms import compare_congruences, compare_forms, has_form
from fastmath.answers.integers import to_int
from fastmath.answers.lists import compare_decimal_commas, separate_items
from fastmath.answers.notation import rewrite_notation
from fastmath.answers.relations import BOUND, INEQUALITY, is_calculation, names_quantity, split_equations
from fastmath.answers.typography import is_prose, undress

# math-verify warns once per process that its time-outs are off; they are off on purpose.
logging.getLogger("math_verify.parser").setLevel(logging.ERROR)
logging.getLogger("math_verify.grader").setLevel(logging.ERROR)

# One number with or without a unit, or prose; `3x` is neither.
_PLAIN = re.compile(
    r"[0-9]+(?:\.[0-9]*)?(?:\s+[A-Za-z]{2,}(?:\^[23])?)*|(?=.*[A-Za-z]{3})[A-Za-z]+(?:\s+[A-Za-z]+)+[.!?]?", re.DOTALL
)
_TEXT = re.compile(r"\\[A-Za-z]*text[A-Za-z]*\s*\{([^{}]*)\}|\\mathrm\s*\{([^{}]*)\}")
_INVISIBLE = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[,;:! ]|\$")
# The space in `1, 000` is not idle: it separates two numbers.
_IDLE_SPACE = re.compile(r"(?<![\w,])\s++|(?<=,)\s++(?![0-9])|\s++(?!\w)")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_MOST_REPETITIONS = 3
_FLOAT_DIGITS = 15
_EXACT_DIGITS = 100


def verify(gold: str, prediction: str | None) -> bool | None:
    r"""Whether `prediction` equals `gold`; None where no prediction can be judged by `gold`.

    Args:
        gold: reference answer, with or without dollar signs or a box.
        prediction: extracted answer; None means that there is no answer, which is wrong.

    Returns:
        None for a reference that is empty, unparseable or too costly to evaluate, whatever the prediction, unless the
        strings are equal. A prediction that is unparseable or too costly is wrong; otherwise a model could avoid a bad
        score by writing one.

    Example: `verify("0.5", r"\frac{1}{2}")` is True, `verify("(1,2)", "1<x<2")` is False and `verify("1<x<2", "(1,2)")`
    is True, as an interval is accepted for an inequality but not the other way round.
    """
    exact = verify_exactly(gold, prediction)
    if exact is not None:
        return exact
    parsed_gold = _parse(gold)
    gold = undress(gold)
    wrong = False if has_form(gold) or _expressions(parsed_gold) else None
    if prediction is None:
        return wrong
    prediction = undress(prediction)
    if (verdict := compare_forms(gold, prediction, verify)) is not None:
        return verdict
    if _differ_in_kind(gold, prediction):
        return wrong
    pairs = itertools.product(parsed_gold, _parse(prediction))
    if any(_match(*pair) for pair in pairs):
        return True
    return True if _repeats(gold, prediction) else wrong


def verify_exactly(gold: str, prediction: str | None) -> bool | None:
    """Verdict of the exact rules; None where they do not decide and the answers have to be parsed.

    This takes linear time and never passes the prediction to a computer algebra system, so it is safe in any process.
    """
    gold_integer = _to_int(gold)
    if prediction is None:
        return None if gold_integer is None else False
    bare_gold, bare_prediction = undress(gold), undress(prediction)
    if (same_class := compare_congruences(bare_gold, bare_prediction)) is not None:
        return same_class
    if (normalised := _normalise(bare_gold)) and normalised == _normalise(bare_prediction):
        return True
    if gold_integer is None:
        return compare_decimal_commas(bare_gold, bare_prediction)
    prediction_integer = _to_int(prediction)
    if prediction_integer is not None:
        return gold_integer == prediction_integer
    return None if _cheap_part(prediction) else False


def _to_int(answer: str) -> int | None:
    """The integer that an answer denotes; None for an equation.

    `x + y = 1` is not the answer 1, and equations such as `x = 7` are left to math-verify.
    """
    return None if "=" in answer else to_int(answer)


def _normalise(answer: str) -> str:
    r"""An undressed answer without what a reader does not see: spacing, dollar signs, `\left`, the size of a fraction.

    Words are compared without their capitals.
    """
    words = _TEXT.sub(r" \1\2 ", answer).strip() if "\\text" in answer or "\\mathrm" in answer else answer
    if len(words) > 2 and words.replace(" ", "").isalpha():
        return " ".join(words.casefold().split())
    return _FRACTION.sub(r"\\frac", _IDLE_SPACE.sub("", _INVISIBLE.sub(" ", answer)))


def _repeats(gold: str, prediction: str) -> bool:
    r"""Whether a prediction says the gold several times, as in `\frac{1}{2} \text{ or } 0.5`."""
    if is_prose(prediction):
        return False
    items = separate_items(prediction).split(", ")
    return 1 < len(items) <= _MOST_REPETITIONS and all(verify(gold, item) is True for item in items)


def _match(gold: object, prediction: object) -> bool:
    """Whether one reading of the gold equals one reading of the prediction."""
    if isinstance(gold, str) or isinstance(prediction, str):
        return math_verify.verify([gold], [prediction], timeout_seconds=None)
    # Differences below 10^-digits count as none; a decimal of the answers has no more than a float's digits.
    digits = _FLOAT_DIGITS if gold.has(Float) or prediction.has(Float) else _EXACT_DIGITS
    if math_verify.verify([gold], [prediction], numeric_precision=digits, timeout_seconds=None):
        return not contradict(gold, prediction)
    return agree(gold, prediction)


def _expressions(parsed: Sequence[object]) -> list[Any]:
    """The parsed expressions, without the plain text that math-verify adds as a fallback."""
    return [item for item in parsed if not isinstance(item, str)]


def _differ_in_kind(gold: str, prediction: str) -> bool:
    r"""Whether one answer is a number and the other a relation or a bound: `(x+y)^2=81` and `\neq 81` are not 81.

    An equation that names a quantity (`x = 7`) or ends with its result (`3^2 = 9`) gives a value. Sentences are of any
    kind: math-verify looks for the value that they name.
    """
    if is_prose(gold) or is_prose(prediction):
        return False
    if _is_bound(prediction):
        return not _is_bound(gold)
    if _is_bound(gold):
        return to_int(prediction) is not None
    left, *right = split_equations(prediction)
    return bool(right) and "=" not in gold and not (is_calculation(left) or names_quantity(left))


def _is_bound(answer: str) -> bool:
    return bool(INEQUALITY.search(answer) or BOUND.search(answer))


def _cheap_part(answer: str) -> str:
    """The answer if it is cheap enough to parse, else the content of its box if that is, else the empty string."""
    if is_cheap(answer):
        return answer
    box = extract_boxed(answer) or ""
    return box if is_cheap(box) else ""


def _parse(answer: str) -> list[object]:
    """What math-verify parses from an answer; empty where it finds nothing or parsing would be too costly."""
    answer = undress(_cheap_part(answer))
    prose = is_prose(answer)
    # Commas within a sentence separate its parts, and not numbers.
    answer = rewrite_notation(answer) if prose else separate_items(rewrite_notation(answer))
    # math-verify recognises LaTeX by its delimiters, but parses plain numbers (`10 cm^2`) better without them.
    marked = prose or _PLAIN.fullmatch(answer.strip())
    return math_verify.parse(answer if marked else f"${answer}$", parsing_timeout=None) if answer.strip() else []

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

from fastmath.answers.agreement import agree
from fastmath.answers.cost import is_cheap
from fastmath.answers.extract import extract_boxed
from fastmath.answers.integers import to_int
from fastmath.answers.notation import rewrite_notation

# math-verify warns once per process that its time-outs are off; they are off on purpose.
logging.getLogger("math_verify.parser").setLevel(logging.ERROR)
logging.getLogger("math_verify.grader").setLevel(logging.ERROR)

_MATH_MARK = re.compile(r"\$|\\[(\[]|\\boxed")
# One number with or without a unit, or prose; `3x` is neither.
_PLAIN = re.compile(
    r"[0-9][0-9.,]*(?:\s+[A-Za-z]{2,}(?:\^[23])?)*|(?=.*[A-Za-z]{3})[A-Za-z]+(?:\s+[A-Za-z]+)+[.!?]?", re.DOTALL
)
_INVISIBLE = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[,;:! ]|\$")
_IDLE_SPACE = re.compile(r"(?<!\w)\s++|\s++(?!\w)")
_ARGUMENTS = re.compile(r"([A-Za-z}]\s*)\([^()]*\)|_\s*(?:\{[^{}]*\}|\w)")
_LETTER = re.compile(r"[A-Za-z]")
_JOINED = re.compile(r"[-+*^]|\\(?:cdot|times|pm)(?![A-Za-z])|[0-9]\s*[A-Za-z]")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")


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
    golds = _expressions(parsed_gold)
    wrong = False if golds else None
    if prediction is None or ("=" not in gold and _is_condition(prediction)):
        return wrong
    parsed_prediction = _parse(prediction)
    if math_verify.verify(parsed_gold, parsed_prediction, timeout_seconds=None):
        return True
    pairs = itertools.product(golds, _expressions(parsed_prediction))
    return True if any(agree(*pair) for pair in pairs) else wrong


def verify_exactly(gold: str, prediction: str | None) -> bool | None:
    """Verdict of the exact rules; None where they do not decide and the answers have to be parsed.

    This takes linear time and never passes the prediction to a computer algebra system, so it is safe in any process.
    """
    gold_integer = _to_int(gold)
    if prediction is None:
        return None if gold_integer is None else False
    if (normalised := _normalise(gold)) and normalised == _normalise(prediction):
        return True
    if gold_integer is None:
        return None
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
    r"""The answer without markup that a reader does not see: spacing, dollar signs, `\left`, the size of a fraction."""
    return _FRACTION.sub(r"\\frac", _IDLE_SPACE.sub("", _INVISIBLE.sub(" ", answer)))


def _expressions(parsed: Sequence[object]) -> list[Any]:
    """The parsed expressions, without the plain text that math-verify adds as a fallback."""
    return [item for item in parsed if not isinstance(item, str)]


def _is_condition(answer: str) -> bool:
    r"""Whether an answer is an equation that does not name one quantity: `(x+y)^2=81` does not give 81 as the answer.

    The left side names one quantity where no operator joins its letters, as in `x`, `f(n+1)`, `a_{n+1}`, `|AB|` and
    `A:B`. An equation between numbers (`3^2 = 9`) is a calculation that ends with its result, and no condition.
    """
    left, equals, _ = answer.strip().strip("$").partition("=")
    if not equals or left.endswith(("<", ">", "!", ":")) or _MATH_MARK.search(answer.strip().strip("$")):
        return False
    name = _ARGUMENTS.sub(r"\1", left)
    return bool(_LETTER.search(name) and _JOINED.search(name))


def _cheap_part(answer: str) -> str:
    """The answer if it is cheap enough to parse, else the content of its box if that is, else the empty string."""
    if is_cheap(answer):
        return answer
    box = extract_boxed(answer) or ""
    return box if is_cheap(box) else ""


def _parse(answer: str) -> list[object]:
    """What math-verify parses from an answer; empty where it finds nothing or parsing would be too costly."""
    answer = rewrite_notation(_cheap_part(answer))
    # math-verify recognises LaTeX by its delimiters, but parses plain numbers (`10 cm^2`) better without them.
    marked = _MATH_MARK.search(answer) or _PLAIN.fullmatch(answer.strip())
    return math_verify.parse(answer if marked else f"${answer}$", parsing_timeout=None) if answer.strip() else []

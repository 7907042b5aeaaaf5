r"""Whether a predicted answer is the reference answer.

Cheap exact rules first (equal strings, equal integers), then math-verify 0.9.0 with its arguments in the order it
documents, reference first: its comparison is not symmetric. Its timeouts rest on SIGALRM, which raises in a worker
thread, so they are off and costly input is refused by `fastmath.answers.screen` beforehand.
"""

import logging
import re
from collections.abc import Sequence

import math_verify

from fastmath.answers.extract import extract_boxed, to_int
from fastmath.answers.screen import is_cheap

# math-verify warns once a process that its timeouts are off; they are off on purpose.
logging.getLogger("math_verify.parser").setLevel(logging.ERROR)
logging.getLogger("math_verify.grader").setLevel(logging.ERROR)

_MATH_MARK = re.compile(r"\$|\\[(\[]|\\boxed")
# One number, perhaps with its unit, or prose; `3x` is neither.
_PLAIN = re.compile(
    r"[0-9][0-9.,]*(?:\s+[A-Za-z]{2,}(?:\^[23])?)*|(?=.*[A-Za-z]{3})[A-Za-z]+(?:\s+[A-Za-z]+)+[.!?]?", re.DOTALL
)
_INVISIBLE = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[,;:! ]|\$")
_IDLE_SPACE = re.compile(r"(?<!\w)\s++|\s++(?!\w)")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")


def verify(gold: str, prediction: str | None) -> bool | None:
    r"""Whether `prediction` equals `gold`; None where `gold` cannot be judged by.

    Args:
        gold: the reference answer, with or without dollar signs or a box.
        prediction: the extracted answer; None, no answer, is wrong.

    Returns:
        None for a reference that is empty, unparseable or too costly to work out, whatever the prediction, unless the
        strings are equal. A prediction that is unparseable or too costly is wrong: otherwise a model could dodge a bad
        score by writing one.

    Example: `verify("0.5", r"\frac{1}{2}")` is True, `verify("(1,2)", "1<x<2")` is False and `verify("1<x<2", "(1,2)")`
    is True, as an interval is accepted for an inequality but not the other way round.
    """
    gold_integer = _to_int(gold)
    if prediction is None:
        return None if gold_integer is None and not _holds_mathematics(_parse(gold)) else False
    if (normalised := _normalise(gold)) and normalised == _normalise(prediction):
        return True
    if gold_integer is not None and (prediction_integer := _to_int(prediction)) is not None:
        return gold_integer == prediction_integer
    parsed_gold, parsed_prediction = _parse(gold), _parse(prediction)
    if math_verify.verify(parsed_gold, parsed_prediction, timeout_seconds=None):
        return True
    return False if _holds_mathematics(parsed_gold) else None


def verify_many(pairs: Sequence[tuple[str, str | None]]) -> list[bool | None]:
    """`verify` of each (gold, prediction) pair, in order; equal pairs are judged once."""
    verdicts = {pair: verify(*pair) for pair in dict.fromkeys(pairs)}
    return [verdicts[pair] for pair in pairs]


def _to_int(answer: str) -> int | None:
    """The integer of an answer that is no equation: `x + y = 1` is not the answer 1, and math-verify knows `x = 7`."""
    return None if "=" in answer else to_int(answer)


def _normalise(answer: str) -> str:
    r"""The answer without what a reader does not see: spacing, dollar signs, `\left`, the size of a fraction."""
    return _FRACTION.sub(r"\\frac", _IDLE_SPACE.sub("", _INVISIBLE.sub(" ", answer)))


def _holds_mathematics(parsed: Sequence[object]) -> bool:
    """Whether more was read than the text itself, which math-verify falls back to."""
    return any(not isinstance(item, str) for item in parsed)


def _parse(answer: str) -> list[object]:
    """What math-verify reads in an answer; empty where it reads nothing or must not try."""
    if not is_cheap(answer):
        answer = extract_boxed(answer) or ""  # of a whole solution, its box
    if not is_cheap(answer):
        return []
    # math-verify recognises LaTeX by its marks, and reads plain numbers better without any (`10 cm^2`).
    marked = _MATH_MARK.search(answer) or _PLAIN.fullmatch(answer.strip())
    return math_verify.parse(answer if marked else f"${answer}$", parsing_timeout=None)

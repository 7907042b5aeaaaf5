r"""The single integer that a short piece of LaTeX denotes, or None: a vote, a prediction, or a reference answer."""

import re

from fastmath.answers.arithmetic import MAX_BITS, NotAnIntegerError, evaluate_integer
from fastmath.answers.lists import join_thousands, separate_items
from fastmath.answers.relations import is_calculation, is_single_name, may_be_asked_for, names_quantity
from fastmath.answers.typography import undress

__all__ = ["MAX_BITS", "MAX_CHARACTERS", "MAX_DIGITS", "canonical_answer", "read_gold", "to_int"]

MAX_CHARACTERS = 1_000
MAX_DIGITS = 4_000
"""Size limit of a result, in decimal digits; Python refuses to print integers of more than 4,300 digits."""

_TEXT_COMMAND = r"\\(?:text|textbf|textrm|textit|mathrm)"
_TEXT = re.compile(r"\\(?:text|textbf|textrm|textit|mathrm|operatorname)\s*\{([^{}]*)\}")
_SCALE = re.compile(
    r"(?:hundred|thousand|million|billion|trillion|lakh|crore|dozen|percent|half|quarter|third)|\\?%", re.IGNORECASE
)
_UNIT_AT_END = re.compile(
    rf"(?:{_TEXT_COMMAND}\s*\{{[^{{}}0-9]*\}}(?:\s*\^\s*(?:\{{\s*-?[0-9]\s*\}}|[0-9]))?|\s|degrees?)+$"
)
# Words that change the number before them, and letters that stand for numbers: `3\mathrm{i}` is no integer.
_NO_UNIT = re.compile(
    r"(?<![A-Za-z])(?:or|and|more|less|fewer|least|most|than|not|if|where|when|base|mod|modulo|squared|cubed|factorial"
    r"|times|pi|[eijknxyz])(?![A-Za-z])",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"^\s*(?:\([A-J]\)|[A-J][).:])[\s~:]*(?=\S)")
_PARENTHESISED_MODULO = re.compile(r"\(\s*\\?[bp]?mod\s*([^()]*)\)")
_MODULO = re.compile(r"\\[bp]?mod(?![A-Za-z])|(?<![A-Za-z])mod(?![A-Za-z])|\\equiv(?![A-Za-z])")
_NOISE = re.compile(
    r"\\[\[\]()]|\$|\\left(?![A-Za-z])|\\right(?![A-Za-z])|\^\s*\{?\s*(?:\\circ|\\degree)\s*\}?|\\degree(?![A-Za-z])"
)
_SPACING = re.compile(r"\\[,;:! ]|~|\\q?quad(?![A-Za-z])|\\\\")
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*([0-9])\s*([0-9])(?![0-9])")
_RELATION = re.compile(r"(?<![<>!:=])(=)(?!=)|(\\equiv)(?![A-Za-z])")
_SEVERAL = re.compile(r"[,;<>&]")


def to_int(text: str, *, modulus: int | None = None) -> int | None:
    r"""The integer that `text`, the content of a box, denotes; None where it does not denote exactly one integer.

    Accepts zero-padded integers and decimals with an integer value (`025`, `27.0`), thousands separators (`1{,}024`,
    `1,024`), arithmetic (`10^3`, `\frac{84}{2}`, `5!`, `7!!`, `\binom{6}{3}`, `\sqrt{16}`,
    `\lfloor 100\sqrt2 \rfloor`), degrees, units in `\text`, the letter of a multiple-choice option (`\text{(C)}\ 12`),
    and equations and congruences whose left side names what was asked for (`x = 7`; `m + n = 7`;
    `n \equiv 18 \pmod{11}` is the residue 7).

    Args:
        text: content of the box; the result is None if it has more than `MAX_CHARACTERS` characters.
        modulus: number modulo which the result is reduced, to 0 … modulus - 1. None does not reduce it, and a result of
            more than `MAX_DIGITS` digits is then None.

    Example: `to_int(r"4046 \cdot 4045!!", modulus=1000)` is 250; `x^2 = 8`, `x = 1 \text{ or } x = 2` and `(24,108)`
    are None.
    """
    value = _read(text, names_only=False)
    if value is None or modulus is not None:
        return value if value is None else value % modulus
    return value if abs(value) < 10**MAX_DIGITS else None


def read_gold(answer: str) -> int | None:
    """The integer that a reference answer is; None for everything that is more than one number.

    A reference is read more strictly than a vote: a congruence is a class of numbers, and `x + y = 2` is a line.
    """
    if _MODULO.search(answer):
        return None
    value = _read(answer, names_only=True)
    return value if value is not None and abs(value) < 10**MAX_DIGITS else None


def canonical_answer(answer: str) -> str:
    """An integer answer in plain digits, so that `025` and `27.0` become `25` and `27`; any other answer unchanged."""
    integer = read_gold(answer)
    return answer if integer is None else str(integer)


def _read(text: str, *, names_only: bool) -> int | None:
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return _evaluate(_normalise(text), names_only)
    except NotAnIntegerError:
        return None


def _normalise(text: str) -> str:
    """Remove what does not contribute to the value: looks, spacing, units, the letter of a multiple-choice option."""
    text = _NOISE.sub("", undress(text).removeprefix(r"\$")).strip()
    text = _SPACING.sub(" ", separate_items(join_thousands(text))).strip()
    if _SCALE.search(text):
        raise NotAnIntegerError("a word scales the number")
    if (unit := _UNIT_AT_END.search(text)) and _NO_UNIT.search(" ".join(_TEXT.findall(unit[0]))):
        raise NotAnIntegerError("the words behind the number are no unit")
    text = _CHOICE.sub("", _TEXT.sub(r" \1 ", _UNIT_AT_END.sub("", text)))
    return _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text)


def _evaluate(text: str, names_only: bool) -> int:
    """The integer behind the last sign of a chain of equations and congruences."""
    *parts, right = (part for part in _RELATION.split(text) if part is not None)
    value = evaluate_integer(_PARENTHESISED_MODULO.sub(r"\\bmod \1", right))
    for position, (left, sign) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if _SEVERAL.search(re.sub(r"\([^()]*\)", "", left)):
            raise NotAnIntegerError("several equations")
        if position and re.search("[0-9]", left) and not is_calculation(left):
            raise NotAnIntegerError("a value and a name between two equality signs: two equations")
        if is_calculation(left):
            if sign == "=" and not _may_equal(left, value):
                raise NotAnIntegerError("a calculation with another result")
        elif not (is_single_name(left) if names_only else _names_answer(left, value)):
            raise NotAnIntegerError("a condition rather than the name of a quantity")
    return value


def _names_answer(left: str, value: int) -> bool:
    # An equation with zero on the right is a curve or a surface, whatever is on the left.
    return names_quantity(left) or (value != 0 and may_be_asked_for(left))


def _may_equal(calculation: str, value: int) -> bool:
    """Whether a calculation has a value, or none that this module can work out."""
    try:
        return evaluate_integer(calculation) == value
    except NotAnIntegerError:
        return True

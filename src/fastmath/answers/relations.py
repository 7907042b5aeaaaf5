r"""What stands on the left of an equation: one quantity, a calculation, or a condition that several numbers fulfil."""

import re

_INDEX = re.compile(r"_\s*(?:\{[^{}]*\}|\\[A-Za-z]+|\w)")
_ARGUMENTS = re.compile(rf"([A-Za-z}}]\s*)\([^()]*\)|{_INDEX.pattern}")
_VALUE_ARGUMENTS = re.compile(r"([A-Za-z}]'?\s*)\([^()A-Za-z]*\)")
_SINGLE = re.compile(r"(?:[A-Za-z]|[A-Z]{2,4}|[A-Za-z]{3,}|\\[A-Za-z]+)'?")
_SUM = re.compile(
    rf"(?:[-+*()\s']|[0-9]+(?=\s*[A-Za-z(\\])|\\(?:cdot|times)(?![A-Za-z])"
    rf"|(?:\\(?:alpha|beta|gamma|delta|theta|lambda|mu|phi|omega|overline|angle)(?![A-Za-z])|[A-Za-z{{}}])(?:{_INDEX.pattern})?)+"
)
_NAME = re.compile(rf"(?:\\[A-Za-z]+|[A-Za-z])(?:{_INDEX.pattern})?")
_OPERATIONS = re.compile(
    r"\\(?:cdot|times|ast|div|pm|[dtc]?frac|sqrt|[dt]?binom|left|right|[lcv]?dots|[lr](?:floor|ceil)|[bp]?mod|over"
    r"|overline|widehat|hat|vec|angle|measuredangle|max|min|sup|inf|mathcal|mathbb|text|mathrm|operatorname)(?![A-Za-z])"
)
_NAMED_LETTER = re.compile(r"\\[A-Za-z]+")
_LETTER = re.compile(r"[A-Za-z]")
_JOINED = re.compile(r"[-+*/^]|\\(?:cdot|times|ast|pm|div)(?![A-Za-z])|[0-9]\s*\\?[A-Za-z]")
_QUOTIENT = re.compile(r"[^/]+/[^/]+")
_EQUALS = re.compile(r"(?<![<>!:=])=(?!=)")

INEQUALITY = re.compile(r"(?<![-=])>|<(?!-)|!=|\\(?:leq?|geq?|lt|gt|neq?|leqslant|geqslant|nless|ngtr)(?![A-Za-z])")
"""A sign by which a relation is no equation."""
BOUND = re.compile(
    r"(?<![A-Za-z])(?:at\s+(?:least|most)|(?:more|less|fewer|greater|smaller|larger)\s+than|or\s+(?:more|less|fewer"
    r"|greater|larger|smaller)|not|except|no\s+(?:more|less|fewer))(?![A-Za-z])",
    re.IGNORECASE,
)
"""Words by which a number is a bound, or is not the answer."""


def split_equations(text: str) -> list[str]:
    """The sides of a chain of equations, in order; a single one where there is no equation."""
    return _EQUALS.split(text)


def is_calculation(left: str) -> bool:
    r"""Whether a side has no unknown: `3^2` and `2 \cdot 4` are calculations, whose result is on the right."""
    return not _LETTER.search(_letters(left))


def names_quantity(left: str) -> bool:
    r"""Whether a side names one quantity, whose value is on the right.

    True where no operator joins its letters, as in `x`, `f(n+1)`, `a_{n+1}`, `|AB|`, `A:B` and `NO/BO`; False for
    `(x+y)^2`, `x+y`, `9x` and `x^2`.
    """
    text = _ARGUMENTS.sub(r"\1", left)
    if _QUOTIENT.fullmatch(text):
        text = text.replace("/", ":")
    return not is_calculation(left) and not _JOINED.search(text)


def is_single_name(left: str) -> bool:
    r"""Whether a side is nothing but one name: a letter, a segment, or a word, with an index or numbers as arguments.

    True for `x`, `a_{10}`, `f(2)`, `AB`, `\angle ABC` and `\alpha`; False for `xy`, `|z|`, `f(x)` and `A:B`.
    """
    bare = _INDEX.sub("", _VALUE_ARGUMENTS.sub(r"\1", left))
    return "(" not in bare and _SINGLE.fullmatch("".join(_OPERATIONS.sub("", bare).split())) is not None


def may_be_asked_for(left: str) -> bool:
    r"""Whether a contest may ask for the value of a side, as in "find m + n": letters joined without powers.

    True for `m+n`, `xy`, `2(a+b)` and `AB \cdot AC`; False for `x^2`, `9x` and `x+1`.
    """
    return _SUM.fullmatch(left) is not None and len(set(_NAME.findall(_OPERATIONS.sub(" ", left)))) > 1


def _letters(side: str) -> str:
    """The side with a letter for every letter that has a name, such as alpha, and without the names of operations."""
    return _NAMED_LETTER.sub("a", _OPERATIONS.sub(" ", side))

r"""The single integer that a short piece of LaTeX denotes, computed by exact arithmetic on numbers of bounded size.

This is a small recursive-descent parser rather than a computer algebra system, because it runs on every vote in the
contest, must never hang, and must return None rather than guess.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction

MAX_CHARACTERS = 1_000
MAX_BITS = 2**16
"""Size limit of intermediate numbers, in bits; an answer modulo 1000 may come from a number of thousands of digits."""
MAX_DIGITS = 4_000
"""Size limit of a result, in decimal digits; Python refuses to print integers of more than 4,300 digits."""
_MAX_FACTORIAL = 5_000
_MAX_DEPTH = 40
_ROOT_DIGITS = 60
_MAX_IRRATIONAL = 10**20

_THOUSANDS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:(?:,|\{,\}|,?\\[,!;:])[0-9]{3})+(?![0-9])")
_TEXT = re.compile(r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|mathit|boldsymbol|operatorname)\s*\{([^{}]*)\}")
_SCALE = re.compile(r"(?:hundred|thousand|million|billion|trillion|dozen|percent|half)", re.IGNORECASE)
_UNIT_AT_END = re.compile(
    r"(?:\\(?:text|textbf|textrm|textit|mathrm)\s*\{[^{}0-9]*\}(?:\s*\^\s*(?:\{\s*-?[0-9]\s*\}|[0-9]))?|\s|degrees?)+$"
)
_CHOICE = re.compile(r"^\s*(?:\([A-J]\)|[A-J][).:])[\s~:]*(?=\S)")
_PARENTHESISED_MODULO = re.compile(r"\(\s*\\?[bp]?mod\s*([^()]*)\)")
_NOISE = re.compile(
    r"\\[\[\]()]|\$|\\left(?![A-Za-z])|\\right(?![A-Za-z])|\\(?:displaystyle|limits)(?![A-Za-z])"
    r"|\^\s*\{?\s*(?:\\circ|\\degree|°)\s*\}?|\\degree(?![A-Za-z])|°"
)
_SPACING = re.compile(r"\\[,;:! ]|~|\\q?quad(?![A-Za-z])|\\\\")
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*([0-9])\s*([0-9])(?![0-9])")
_RELATION = re.compile(r"(?<![<>!:])=|\\equiv(?![A-Za-z])|≡")
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]*)?)|(\\[A-Za-z]+)|(\*\*|!!|[-+*/^!(){}]))")
# Minus sign, en dash, multiplication sign, two centred dots, division sign and no-break space.
_REPLACEMENTS = str.maketrans("\u2212\u2013\u00d7\u00b7\u22c5\u00f7\u00a0", "--***/ ")


class _NotAnIntegerError(ValueError):
    """The text does not denote exactly one integer, or computing it would exceed the bounds."""


def to_int(text: str, *, modulus: int | None = None) -> int | None:
    r"""The integer that `text`, the content of a box, denotes; None where it does not denote exactly one integer.

    Accepts zero-padded integers and decimals with an integer value (`025`, `27.0`), thousands separators (`1{,}024`,
    `1,024`), arithmetic (`10^3`, `\frac{84}{2}`, `5!`, `7!!`, `\binom{6}{3}`, `\sqrt{16}`,
    `\lfloor 100\sqrt2 \rfloor`), degrees, units in `\text`, the letter of a multiple-choice option (`\text{(C)}\ 12`),
    and equations and congruences, whose right side counts (`x = 7`; `n \equiv 18 \pmod{11}` is the residue 7).

    Args:
        text: content of the box; the result is None if it has more than `MAX_CHARACTERS` characters.
        modulus: number modulo which the result is reduced, to 0 … modulus - 1. None does not reduce it, and a result of
            more than `MAX_DIGITS` digits is then None.

    Example: `to_int(r"4046 \cdot 4045!!", modulus=1000)` is 250.
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS:
        return None
    try:
        value = _Parser(_normalise(text)).parse()
    except _NotAnIntegerError:
        return None
    if modulus is not None:
        return value % modulus
    return value if abs(value) < 10**MAX_DIGITS else None


def canonical_answer(answer: str) -> str:
    """An integer answer in plain digits, so that `025` and `27.0` become `25` and `27`; any other answer unchanged."""
    integer = to_int(answer)
    return answer if integer is None else str(integer)


def _normalise(text: str) -> str:
    """Remove what does not contribute to the value.

    That is: dollar signs, spacing, units, the letter of a multiple-choice option, and the left side of an equation.
    """
    text = text.translate(_REPLACEMENTS).removeprefix(r"\$")
    text = _NOISE.sub("", text)
    text = _THOUSANDS.sub(lambda match: re.sub("[^0-9]", "", match[0]), text)
    text = _SPACING.sub(" ", text).strip().rstrip(".")
    if _SCALE.search(text):
        raise _NotAnIntegerError("a word scales the number")
    text = _CHOICE.sub("", _TEXT.sub(r" \1 ", _UNIT_AT_END.sub("", text)))
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text)
    *left_sides, text = _RELATION.split(text)
    if any(set(",;<>") & set(re.sub(r"\([^()]*\)", "", side)) for side in left_sides):
        raise _NotAnIntegerError("several equations")
    return _PARENTHESISED_MODULO.sub(r"\\bmod \1", text)


_CLOSING = {"(": ")", "{": "}"}
_FUNCTIONS = frozenset((r"\sqrt", r"\frac", r"\dfrac", r"\tfrac", r"\cfrac", r"\binom", r"\dbinom", r"\tbinom"))


class _Parser:
    """Recursive descent over `expression := sum (mod sum)*` down to numbers; values are exact fractions.

    `_exact` becomes False at an irrational root, whose value is accurate to `_ROOT_DIGITS` digits. Such a value may
    only be used inside a floor or ceiling, which makes it exact again.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _tokenize(text)
        self._position = 0
        self._depth = 0
        self._exact = True

    def parse(self) -> int:
        value = self._expression()
        if self._peek() or not self._exact or value.denominator != 1:
            raise _NotAnIntegerError("no single integer")
        return value.numerator

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if token and token in wanted:
            self._position += 1
            return token
        return ""

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise _NotAnIntegerError(f"{self._peek()!r} where {token!r} should stand")

    def _expression(self) -> Fraction:
        value = self._sum()
        while self._take(r"\bmod", r"\pmod", r"\mod"):
            divisor = self._sum()
            if divisor <= 0 or not self._exact:
                raise _NotAnIntegerError("a modulus that is not positive, or an irrational number")
            value %= divisor
        return value

    def _sum(self) -> Fraction:
        value = self._product()
        while operator := self._take("+", "-"):
            term = self._product()
            value = self._bounded(value + term if operator == "+" else value - term)
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while True:
            if self._take("*", r"\cdot", r"\times", r"\ast"):
                value = self._bounded(value * self._signed())
            elif self._take("/", r"\div"):
                value = self._divide(value, self._signed())
            elif self._multiplies_silently():
                value = self._bounded(value * self._power())
            else:
                return value

    def _multiplies_silently(self) -> bool:
        r"""Whether a factor follows without a multiplication sign: a bracket or a function, but never a plain number.

        Two numbers side by side are two answers. `1\frac{1}{2}` is refused, because it may mean 1.5 or a product.
        """
        token = self._peek()
        if token.endswith("frac") and self._tokens[self._position - 1][0].isdigit():
            raise _NotAnIntegerError("a mixed number or a product")
        return token in ("(", r"\lfloor", r"\lceil") or token in _FUNCTIONS

    def _signed(self) -> Fraction:
        sign = 1
        while operator := self._take("+", "-"):
            sign = -sign if operator == "-" else sign
        return sign * self._power()

    def _power(self) -> Fraction:
        base = self._postfix()
        if not self._take("^", "**"):
            return base
        return self._raise(base, self._nested(self._signed))

    def _postfix(self) -> Fraction:
        value = self._atom()
        while operator := self._take("!", "!!"):
            value = _factorial(value, step=len(operator))
        return value

    def _atom(self) -> Fraction:
        token = self._peek()
        if not token:
            raise _NotAnIntegerError("an operand is missing")
        self._position += 1
        if token[0].isdigit():
            return Fraction(token.rstrip("."))
        if token in _CLOSING:
            value = self._nested(self._expression)
            self._expect(_CLOSING[token])
            return value
        if token in (r"\lfloor", r"\lceil"):
            return self._rounded(token)
        if token in _FUNCTIONS:
            return self._function(token)
        raise _NotAnIntegerError(f"{token!r} is no operand")

    def _rounded(self, token: str) -> Fraction:
        outside, self._exact = self._exact, True
        value = self._nested(self._expression)
        self._expect(token.replace("l", "r", 1))
        if not self._exact and abs(value - round(value)) < Fraction(1, 10 ** (_ROOT_DIGITS // 2)):
            raise _NotAnIntegerError("too close to an integer to round")
        self._exact = outside
        return Fraction(math.floor(value) if token == r"\lfloor" else math.ceil(value))

    def _function(self, token: str) -> Fraction:
        first = self._nested(self._argument)
        if token == r"\sqrt":
            return self._root(first)
        second = self._nested(self._argument)
        return self._divide(first, second) if token.endswith("frac") else _binomial(first, second)

    def _argument(self) -> Fraction:
        if self._peek() != "{" and not self._peek()[:1].isdigit():
            raise _NotAnIntegerError("an argument is missing")
        return self._atom()

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise _NotAnIntegerError("the root of a negative number")
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
        self._exact = False
        scale = 10**_ROOT_DIGITS
        return self._bounded(Fraction(math.isqrt(math.floor(value * scale * scale)), scale))

    def _divide(self, value: Fraction, divisor: Fraction) -> Fraction:
        if divisor == 0:
            raise _NotAnIntegerError("a division by zero")
        return self._bounded(value / divisor)

    def _raise(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1 or (base == 0 and exponent <= 0):
            raise _NotAnIntegerError("a power that is no rational number")
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * bits > MAX_BITS:
            raise _NotAnIntegerError("a power beyond the bounds")
        return self._bounded(base**exponent.numerator)

    def _bounded(self, value: Fraction) -> Fraction:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise _NotAnIntegerError("a number beyond the bounds")
        if not self._exact and abs(value) > _MAX_IRRATIONAL:
            raise _NotAnIntegerError("an irrational number too large to be good to an integer")
        return value

    def _nested(self, rule: Callable[[], Fraction]) -> Fraction:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _NotAnIntegerError("nested too deeply")
        value = rule()
        self._depth -= 1
        return value


def _tokenize(text: str) -> list[str]:
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _NotAnIntegerError(f"{text[position]!r} belongs to no integer")
        tokens.append(token[1] or token[2] or token[3])
        position = token.end()
    return tokens


def _factorial(value: Fraction, step: int) -> Fraction:
    if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise _NotAnIntegerError("a factorial of what is no integer from 0 to the bound")
    return Fraction(math.prod(range(value.numerator, 0, -step)))


def _binomial(n: Fraction, k: Fraction) -> Fraction:
    if n.denominator != 1 or k.denominator != 1 or not 0 <= n <= _MAX_FACTORIAL or k < 0:
        raise _NotAnIntegerError("a binomial of what are no integers from 0 to the bound")
    return Fraction(math.comb(n.numerator, k.numerator))

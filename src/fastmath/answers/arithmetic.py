r"""Exact arithmetic on a piece of LaTeX that contains numbers alone, with bounds on the size of every number.

This is a small recursive-descent parser rather than a computer algebra system, because it runs on every vote in the
contest, must never hang, and must refuse rather than guess.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction

MAX_BITS = 2**16
"""Size limit of intermediate numbers, in bits; an answer modulo 1000 may come from a number of thousands of digits."""
_MAX_FACTORIAL = 5_000
_MAX_DEPTH = 40
_ROOT_DIGITS = 60
_MAX_IRRATIONAL = 10**20

_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]*)?)|(\\[A-Za-z]+)|(\*\*|!!|[-+*/^!(){}]))")


class NotAnIntegerError(ValueError):
    """The text does not denote exactly one integer, or computing it would exceed the bounds."""


def evaluate_integer(text: str) -> int:
    r"""The integer that `text` denotes.

    Args:
        text: numbers, `+-*/^!`, brackets, `\frac`, `\binom`, `\sqrt`, floors, ceilings, `\cdot`, `\times`, `\bmod`.

    Raises:
        NotAnIntegerError: it contains anything else, is no integer, or exceeds the bounds.

    Example: `\lfloor 100 \\sqrt{2} \\rfloor` is 141.
    """
    return _Parser(text).parse()


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
            raise NotAnIntegerError("no single integer")
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
            raise NotAnIntegerError(f"{self._peek()!r} where {token!r} should stand")

    def _expression(self) -> Fraction:
        value = self._sum()
        while self._take(r"\bmod", r"\pmod", r"\mod"):
            divisor = self._sum()
            if divisor <= 0 or not self._exact:
                raise NotAnIntegerError("a modulus that is not positive, or an irrational number")
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
            raise NotAnIntegerError("a mixed number or a product")
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
            raise NotAnIntegerError("an operand is missing")
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
        raise NotAnIntegerError(f"{token!r} is no operand")

    def _rounded(self, token: str) -> Fraction:
        outside, self._exact = self._exact, True
        value = self._nested(self._expression)
        self._expect(token.replace("l", "r", 1))
        if not self._exact and abs(value - round(value)) < Fraction(1, 10 ** (_ROOT_DIGITS // 2)):
            raise NotAnIntegerError("too close to an integer to round")
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
            raise NotAnIntegerError("an argument is missing")
        return self._atom()

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise NotAnIntegerError("the root of a negative number")
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
        self._exact = False
        scale = 10**_ROOT_DIGITS
        return self._bounded(Fraction(math.isqrt(math.floor(value * scale * scale)), scale))

    def _divide(self, value: Fraction, divisor: Fraction) -> Fraction:
        if divisor == 0:
            raise NotAnIntegerError("a division by zero")
        return self._bounded(value / divisor)

    def _raise(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1 or (base == 0 and exponent <= 0):
            raise NotAnIntegerError("a power that is no rational number")
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * bits > MAX_BITS:
            raise NotAnIntegerError("a power beyond the bounds")
        return self._bounded(base**exponent.numerator)

    def _bounded(self, value: Fraction) -> Fraction:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise NotAnIntegerError("a number beyond the bounds")
        if not self._exact and abs(value) > _MAX_IRRATIONAL:
            raise NotAnIntegerError("an irrational number too large to be good to an integer")
        return value

    def _nested(self, rule: Callable[[], Fraction]) -> Fraction:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotAnIntegerError("nested too deeply")
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
            raise NotAnIntegerError(f"{text[position]!r} belongs to no integer")
        tokens.append(token[1] or token[2] or token[3])
        position = token.end()
    return tokens


def _factorial(value: Fraction, step: int) -> Fraction:
    if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise NotAnIntegerError("a factorial of what is no integer from 0 to the bound")
    return Fraction(math.prod(range(value.numerator, 0, -step)))


def _binomial(n: Fraction, k: Fraction) -> Fraction:
    if n.denominator != 1 or k.denominator != 1 or not 0 <= n <= _MAX_FACTORIAL or k < 0:
        raise NotAnIntegerError("a binomial of what are no integers from 0 to the bound")
    return Fraction(math.comb(n.numerator, k.numerator))

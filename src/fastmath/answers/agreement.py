r"""Equalities between parsed answers that math-verify 0.9.0 misses: rounded decimals, and notations of vectors.

They are checked only where math-verify finds two answers unequal, and only on expressions that are already parsed.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from sympy import (
    Basic,
    Expr,
    Float,
    I,
    Interval,
    MatrixBase,
    Mul,
    Pow,
    Rational,
    Symbol,
    Tuple,
    expand,
    nan,
    radsimp,
    zoo,
)
from sympy import FiniteSet as SympyFiniteSet

MIN_DECIMALS = 2
"""Fewest decimal places, and fewest significant digits, of a rounded number that may stand for an exact one."""
_MAX_NODES = 400
_MAX_DIGITS = 30
_UNIT = "i"

Expression = Basic | MatrixBase


def agree(gold: Expression, prediction: Expression) -> bool:
    """Whether two expressions are equal but for decimals that stand for exact numbers, and for the notation of vectors.

    Very large expressions, and those with undefined values, never agree.

    Example: `(0.6, 2.6667]` agrees with `(3/5, 8/3]`, and the column vector of 1/2 and 1 with the list `[0.5, 1]`.
    """
    if max(_count_nodes(gold), _count_nodes(prediction)) > _MAX_NODES or gold.has(nan, zoo) or prediction.has(nan, zoo):
        return False
    if _agree(_as_vector(gold, prediction), _as_vector(prediction, gold)):
        return True
    return _agree_as_complex(gold, prediction)


def is_rounded(decimal: Decimal, exact: Decimal) -> bool:
    r"""Whether `decimal` is `exact` rounded or truncated at the last decimal place of `decimal`.

    `exact` is a number with further decimal places. With `k` >= `MIN_DECIMALS` places, `decimal` is rounded where
    |decimal - exact| <= 10^-k / 2, and truncated where |decimal - exact| < 10^-k and `decimal` is nearer to zero.

    Example: 1.732 is sqrt(3) = 1.73205… rounded: 0.00005 <= 0.0005. 125.663 is 40 pi = 125.66370… truncated.
    """
    _, digits, exponent = decimal.as_tuple()
    if -exponent < MIN_DECIMALS or len(digits) < MIN_DECIMALS:
        return False
    unit, difference = Decimal(1).scaleb(exponent), abs(decimal - exact)
    return difference <= unit / 2 or (difference < unit and abs(decimal) < abs(exact))


def _agree(gold: Expression, prediction: Expression) -> bool:
    if gold == prediction:
        return True
    if is_number(gold) and is_number(prediction):
        return numbers_agree(gold, prediction)
    if isinstance(gold, MatrixBase) and isinstance(prediction, MatrixBase):
        return gold.shape == prediction.shape and _all_agree(list(gold), list(prediction))
    if isinstance(gold, MatrixBase) or isinstance(prediction, MatrixBase):
        return False
    if type(gold) is not type(prediction) or not gold.args or len(gold.args) != len(prediction.args):
        return False
    if _is_ordered(gold):
        return _all_agree(gold.args, prediction.args)
    return can_be_paired(gold.args, prediction.args, _agree)


def _is_ordered(expression: Expression) -> bool:
    return isinstance(expression, (Tuple, Interval, Pow)) or len(expression.args) == 1


def _all_agree(golds: Sequence[Expression], predictions: Sequence[Expression]) -> bool:
    return all(_agree(gold, prediction) for gold, prediction in zip(golds, predictions, strict=True))


def can_be_paired(
    golds: Sequence[Expression], predictions: Sequence[Expression], same: Callable[[Expression, Expression], bool]
) -> bool:
    """Whether each gold is the same as a different prediction, in any order; equal ones are paired first."""
    left = list(predictions)
    for gold in sorted(golds, key=lambda item: item not in left):
        partner = next((item for item in left if same(gold, item)), None)
        if partner is None:
            return False
        left.remove(partner)
    return True


def numbers_agree(gold: Expr, prediction: Expr) -> bool:
    """Whether one of two numbers is a decimal that stands for the other, which is exact."""
    decimal_gold, decimal_prediction = as_decimal(gold), as_decimal(prediction)
    if (decimal_gold is None) == (decimal_prediction is None):
        return False
    decimal, exact = (decimal_gold, prediction) if decimal_prediction is None else (decimal_prediction, gold)
    # A number that can be written in full must be: 0.13 does not stand for 1/8, nor 5.001 for the integer 5.
    if _terminates(exact):
        return Rational(str(decimal)) == exact
    return is_rounded(decimal, Decimal(str(exact.evalf(_MAX_DIGITS))))


def _agree_as_complex(gold: Expression, prediction: Expression) -> bool:
    """Whether two expressions are equal where the letter i, which math-verify takes for a variable, is the unit."""
    if not (_has_unit(gold) or _has_unit(prediction)):
        return False
    return _expand(_with_unit(gold)) == _expand(_with_unit(prediction))


def _expand(expression: Expression) -> Expression:
    if isinstance(expression, Tuple | SympyFiniteSet):
        return expression.func(*map(_expand, expression.args))
    return radsimp(expand(expression)) if isinstance(expression, Expr) else expression


def _has_unit(expression: Expression) -> bool:
    return any(symbol.name == _UNIT for symbol in expression.free_symbols)


def _with_unit(expression: Expression) -> Expression:
    # Whether math-verify assumes a variable to be real depends on the rest of the text.
    return expression.xreplace(
        {symbol: I if symbol.name == _UNIT else Symbol(symbol.name) for symbol in expression.free_symbols}
    )


def is_number(expression: Expression) -> bool:
    """Whether an expression is a real number."""
    return isinstance(expression, Expr) and not expression.free_symbols and expression.is_real is True


def _terminates(exact: Expr) -> bool:
    """Whether the number has a finite decimal expansion: a rational with denominator 2^a 5^b."""
    if not isinstance(exact, Rational):
        return False
    denominator = exact.q
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1


def as_decimal(number: Expr) -> Decimal | None:
    r"""The decimal as written, including a power of ten (`2.31 \times 10^{-3}`); None for an exact number."""
    factors = number.args if isinstance(number, Mul) else (number,)
    floats = [factor for factor in factors if isinstance(factor, Float)]
    if len(floats) != 1:
        return None
    written = Decimal(repr(float(floats[0])))
    scale = Mul(*(factor for factor in factors if factor is not floats[0])).doit()
    power = round(math.log10(scale)) if isinstance(scale, Rational) and scale > 0 else None
    if power is None or abs(power) > _MAX_DIGITS or scale != Rational(10) ** power:
        return None
    return written.scaleb(power)


def _as_vector(expression: Expression, other: Expression) -> Expression:
    """Give a tuple or an interval the shape of `other`, where `other` is a row or column with as many entries.

    Intervals are included because math-verify reads the vectors `(a, b)` and `[a, b]` as such.
    """
    if not isinstance(other, MatrixBase) or 1 not in other.shape:
        return expression
    if isinstance(expression, Interval) and expression.left_open == expression.right_open:
        entries: Sequence[Basic] = expression.args[:2]
    elif isinstance(expression, Tuple):
        entries = expression.args
    else:
        return expression
    return type(other)(*other.shape, list(entries)) if len(entries) == len(other) else expression


def _count_nodes(expression: Expression) -> int:
    """Number of nodes of the expression tree; counting stops once it exceeds `_MAX_NODES`."""
    stack, count = [expression], 0
    while stack and count <= _MAX_NODES:
        node = stack.pop()
        count += 1
        stack += list(node) if isinstance(node, MatrixBase) else node.args
    return count

r"""Differences that math-verify 0.9.0 overlooks, because it compares numbers to six decimal places.

They are checked only where math-verify finds two answers equal, and only on expressions that are already parsed.
"""

from collections.abc import Sequence
from decimal import Decimal

from math_verify.grader import get_pct_val
from sympy import Basic, Expr, Float, Interval, MatrixBase, Tuple, UnevaluatedExpr
from sympy import FiniteSet as SympyFiniteSet
from sympy.core.relational import Equality, Relational

from fastmath.answers.agreement import Expression, as_decimal, can_be_paired, is_number, numbers_agree

_FULL_DIGITS = 15
"""Significant digits from which a decimal is what a computer printed, whose last digits may be wrong."""
_FULL_PRECISION = Decimal("1e-14")


def contradict(gold: Expression, prediction: Expression) -> bool:
    r"""Whether two expressions, equal to six decimal places, are certainly different.

    Exact numbers are compared exactly, decimals digit by digit, and a decimal stands for an exact number where it is
    that number rounded or cut off. Lists, tuples, sets, intervals and matrices are compared item by item.

    Example: 2^-99 and 2^-98 contradict each other, and so do 0.1234567 and 0.1234568; 1/3 and 0.333333333 do not.
    """
    if isinstance(gold, Relational) and isinstance(prediction, Relational):
        return gold.lhs == prediction.lhs and contradict(gold.rhs, prediction.rhs)
    gold, prediction = _right_side(gold), _right_side(prediction)
    if gold.has(UnevaluatedExpr) or prediction.has(UnevaluatedExpr):
        return _percentages_differ(gold, prediction)
    if is_number(gold) and is_number(prediction):
        return _numbers_differ(gold, prediction)
    if isinstance(gold, Interval) and isinstance(prediction, Interval):
        return any(contradict(*pair) for pair in zip(gold.args[:2], prediction.args[:2], strict=True))
    items = _list_items(gold), _list_items(prediction)
    if None in items or len(items[0]) != len(items[1]):
        return False
    if isinstance(gold, SympyFiniteSet) or isinstance(prediction, SympyFiniteSet):
        return not can_be_paired(*items, lambda one, other: not contradict(one, other))
    return any(contradict(*pair) for pair in zip(*items, strict=True))


def _right_side(expression: Expression) -> Expression:
    return expression.rhs if isinstance(expression, Equality) else expression


def _list_items(expression: Expression) -> Sequence[Basic] | None:
    if isinstance(expression, MatrixBase):
        return list(expression)
    return list(expression.args) if isinstance(expression, Tuple | SympyFiniteSet) else None


def _numbers_differ(gold: Expr, prediction: Expr) -> bool:
    decimals = as_decimal(gold), as_decimal(prediction)
    if None not in decimals:
        return not _almost_equal(*decimals)
    if decimals == (None, None):
        # Where only rounding separates two numbers, SymPy's difference has no significant digit, and a precision of 1.
        difference = (gold - prediction).evalf()
        return not (gold.has(Float) or prediction.has(Float)) and difference != 0 and _is_significant(difference)
    if numbers_agree(gold, prediction):
        return False
    decimal, exact = (decimals[0], prediction) if decimals[1] is None else (decimals[1], gold)
    return not _almost_equal(decimal, Decimal(str(exact.evalf(30))))


def _percentages_differ(gold: Expression, prediction: Expression) -> bool:
    """As `_numbers_differ`; where only one of two numbers has a percent sign, its value with or without it counts."""
    (gold, has_sign), (prediction, has_other_sign) = _drop_percent(gold), _drop_percent(prediction)
    if not (is_number(gold) and is_number(prediction)):
        return False
    differ = _numbers_differ(gold, prediction)
    if has_sign == has_other_sign or not differ:
        return differ
    return _numbers_differ(gold / 100, prediction) if has_sign else _numbers_differ(gold, prediction / 100)


def _drop_percent(number: Expression) -> tuple[Expression, bool]:
    percent = get_pct_val(number)
    return (number, False) if percent is None else (percent, True)


def _is_significant(difference: Expr) -> bool:
    return isinstance(difference, Float) and difference._prec > 1


def _almost_equal(decimal: Decimal, other: Decimal) -> bool:
    """Whether two decimals are equal, but for the last digits of one that is written out as a computer does."""
    if decimal == other:
        return True
    digits = max(len(decimal.as_tuple().digits), len(other.as_tuple().digits))
    return digits >= _FULL_DIGITS and abs(decimal - other) <= _FULL_PRECISION * max(abs(decimal), abs(other))

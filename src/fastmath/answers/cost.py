r"""Whether a piece of LaTeX is safe to parse with a computer algebra system: a bound on the cost, in linear time.

SymPy evaluates integer powers, factorials and binomials as soon as it parses them, so `9^{9^{9}}` in a box would hang
the process that parses it, or fill its memory. The bound is coarse and errs on the side of refusal.
"""

import math
import re
from dataclasses import dataclass

MAX_CHARACTERS = 12_000
MAX_BITS = 2**16
"""Size in bits of the largest integer that evaluation may have to compute."""
_MAX_NESTING = 40
_MAX_TOWER = 3
_MAX_ROOTS = 12
_MAX_RELATIONS = 20
"""Most equality signs in one formula; the LaTeX parser takes time cubic in the length of a chain of equations."""
_MAX_EXPANSION = 64
"""Largest exponent of a bracket that contains letters; simplification may expand such a power."""
_SYMBOL_BITS = 0.5

_TOKEN = re.compile(
    r"(?P<number>[0-9]+)(?:\.[0-9]*)?|\\(?P<command>[A-Za-z]+)|(?P<letter>[^\W\d_])"
    r"|(?P<power>\^|\*\*)|(?P<factorial>!(?!=))|(?P<open>\\?[{(\[])|(?P<close>\\?[})\]])|(?P<operator>[-+*/=,;<>&])"
)
# These commands are no operands themselves: the groups that follow them are.
_PREFIXES = frozenset(
    [
        *("frac", "dfrac", "tfrac", "cfrac", "sqrt", "binom", "dbinom", "tbinom"),
        *("left", "right", "text", "mathrm", "mathbf", "textbf"),
    ]
)
_MATH_BOUNDARY = re.compile(r"[$\n]|\\[()\[\]]")
_BIG_OPERATOR = re.compile(r"\\(?:sum|prod|int|lim|bigcup|bigcap)(?![A-Za-z])|Sum|Product|Integral")
_BINOMIAL = re.compile(r"binom|choose")


@dataclass
class _Group:
    """State inside one pair of brackets; sizes are base-2 logarithms of the numbers that evaluation may compute.

    Attributes:
        tower: number of exponents that enclose the group, one inside another.
        bits: size of all operands so far together.
        last: size of the last operand, to which a power or a factorial would apply.
        symbolic: whether the group contains letters or commands.
        last_symbolic: whether the last operand is a bracket that contains letters or commands.
        last_is_power: whether the last operand is a power, so that a further `^` would make a tower.
        awaits_exponent: whether the next operand is an exponent.
    """

    tower: int
    bits: float = 0.0
    last: float = 0.0
    symbolic: bool = False
    last_symbolic: bool = False
    last_is_power: bool = False
    awaits_exponent: bool = False


def is_cheap(text: str) -> bool:
    r"""Whether parsing and comparing `text` takes a bounded amount of work.

    False for towers of powers, powers and factorials of more than `MAX_BITS` bits, large exponents of sums that contain
    letters, sums and products over long ranges, many roots, long chains of equations, deep nesting, and more than
    `MAX_CHARACTERS` characters.

    Example: `2^{10}` has 1 · 10 bits and is cheap; `10^{99999}` has 3.3 · 99999 bits and is not.
    """
    if len(text) > MAX_CHARACTERS or text.count("sqrt") > _MAX_ROOTS:
        return False
    if any(part.count("=") > _MAX_RELATIONS for part in _MATH_BOUNDARY.split(text)):
        return False
    largest = max((len(number) for number in re.findall("[0-9]+", text)), default=0)
    if (largest > 3 and _BIG_OPERATOR.search(text)) or (largest > 4 and _BINOMIAL.search(text)):
        return False
    groups = [_Group(tower=0)]
    return all(_step(groups, token) for token in _TOKEN.finditer(text))


def _step(groups: list[_Group], token: re.Match[str]) -> bool:
    """Account for one token; False as soon as the text is too costly."""
    group = groups[-1]
    if token["number"]:
        return _add_operand(group, _size(token["number"]), symbolic=False)
    if token["letter"] or (token["command"] and token["command"] not in _PREFIXES):
        return _add_operand(group, _SYMBOL_BITS, symbolic=True)
    if token["open"]:
        groups.append(_Group(tower=group.tower + group.awaits_exponent))
        return len(groups) <= _MAX_NESTING and groups[-1].tower <= _MAX_TOWER
    if token["close"] and len(groups) > 1:
        inner = groups.pop()
        return _add_operand(groups[-1], inner.bits, symbolic=inner.symbolic, bracket=True)
    if token["power"]:
        group.awaits_exponent = True
        return not group.last_is_power  # `2^3^4`, a tower without brackets
    if token["factorial"]:
        return _grow(group, group.last * 2 ** min(group.last, 60))
    if token["operator"]:
        group.last_is_power = False
    return True


def _size(number: str) -> float:
    return math.log2(max(int(number), 2)) if len(number) < 18 else 3.33 * len(number)


def _add_operand(group: _Group, bits: float, *, symbolic: bool, bracket: bool = False) -> bool:
    group.symbolic |= symbolic
    if not group.awaits_exponent:
        group.last_is_power = False
        group.last_symbolic = symbolic and bracket
        return _grow(group, bits)
    group.awaits_exponent = False
    group.last_is_power = True
    exponent = 2 ** min(bits, 60)
    if group.last_symbolic and exponent > _MAX_EXPANSION:
        return False
    return _grow(group, group.last * exponent)


def _grow(group: _Group, bits: float) -> bool:
    group.last = bits
    group.bits += bits
    return group.bits <= MAX_BITS

r"""Whether a computer algebra system may be let loose on a piece of LaTeX: a bound on its cost, in linear time.

SymPy works out integer powers, factorials and binomials as soon as it meets them, so `9^{9^{9}}` in a box would hang
or fill the memory of whoever parses it. The bound is coarse and errs on the side of refusal.
"""

import math
import re
from dataclasses import dataclass

MAX_CHARACTERS = 12_000
MAX_BITS = 2**16
"""Size of the largest integer that may have to be worked out."""
_MAX_NESTING = 40
_MAX_TOWER = 3
_MAX_ROOTS = 12
_MAX_RELATIONS = 20
"""The LaTeX parser takes cubic time in the length of a chain of equations."""
_MAX_EXPANSION = 64
"""Largest exponent of a bracket that holds letters, which simplification may expand."""
_SYMBOL_BITS = 0.5

_TOKEN = re.compile(
    r"(?P<number>[0-9]+)(?:\.[0-9]*)?|\\(?P<command>[A-Za-z]+)|(?P<letter>[^\W\d_])"
    r"|(?P<power>\^|\*\*)|(?P<factorial>!(?!=))|(?P<open>\\?[{(\[])|(?P<close>\\?[})\]])|(?P<operator>[-+*/=,;<>&])"
)
# The operand of these is the group that follows, not the command itself.
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
    """State inside one pair of brackets; sizes are base-2 logarithms of what may have to be worked out."""

    tower: int
    bits: float = 0.0
    last: float = 0.0
    symbolic: bool = False
    last_symbolic: bool = False
    last_is_power: bool = False
    awaits_exponent: bool = False


def is_cheap(text: str) -> bool:
    r"""Whether parsing and comparing `text` is bounded work.

    False for towers of powers, powers and factorials of more than `MAX_BITS` bits, large exponents of sums that hold
    letters, sums and products over long ranges, deep nesting, and more than `MAX_CHARACTERS` characters.

    Example: `2^{10}` has 1 · 10 bits and is cheap; `10^{99999}` has 3.3 · 99999 and is not.
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
    """Take one token into account; False as soon as the text is too costly."""
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
        return not group.last_is_power  # a tower without brackets
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

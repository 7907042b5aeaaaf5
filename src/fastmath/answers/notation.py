r"""Rules that rewrite notations which math-verify 0.9.0 misreads into notations that it reads correctly.

Every rule is a general one for one kind of notation: a pure function on text that takes linear time and is not tailored
to any particular answer.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from fastmath.answers.lists import join_thousands

_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_WORD = r"(?:\\(?:text|textrm|mathrm|mbox)\s*\{\s*)?"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"

_CURRENCY = re.compile(r"(?:(?:\\?[£€¥₹₩₽]|\\(?:pounds|euro|yen)(?![A-Za-z])|(?:US)?\\\$)\s*)++")
_CURRENCY_BEHIND = re.compile(r"(?<=[0-9])(?:\s*(?:\\\$|\\?[£€¥₹₩₽]))++|\\text\s*\{\s*\\?[$£€¥₹₩₽]\s*\}")
_NUMBER_BEGINS = re.compile("[0-9.]")
_MIXED = re.compile(r"(?<![0-9./^_{])([0-9]+)\s+([0-9]+)\s*/\s*([0-9]+)(?![0-9./])")
_SCALE = re.compile(
    rf"(?<![0-9.])({_NUMBER})(?:\s|~|\\[,;:! ])*{_WORD}({'|'.join(_SCALES)})s?(?![A-Za-z])\s*\}}?", re.IGNORECASE
)
_SCIENTIFIC = re.compile(rf"(?<![\w.])({_NUMBER})[eE]([+-]?[0-9]+)(?![\w.])")
_REPEATING = re.compile(
    r"(?<![0-9.])(?P<whole>[0-9]*)\.(?P<fixed>[0-9]*)"
    r"(?:\\(?:overline|bar)\s*(?:\{\s*(?P<barred>[0-9]+)\s*\}|(?P<digit>[0-9]))|\((?P<bracketed>[0-9]+)\)"
    r"|\\dot\s*\{?\s*(?P<first>[0-9])\s*\}?(?:(?P<middle>[0-9]*)\\dot\s*\{?\s*(?P<last>[0-9])\s*\}?)?)"
)
_BASED = re.compile(
    r"(?<![A-Za-z0-9_.,}])(?:\(\s*)?(?P<digits>[0-9][0-9A-F]*)(?:\s*\))?\s*_\s*"
    r"(?:\{\s*\(?\s*(?:\\text\s*\{\s*base\s*\}\s*)?(?P<braced>[0-9]{1,2})\s*\)?\s*\}|(?P<plain>[0-9])|\{\s*\\text\s*\{\s*(?P<word>[a-z]+)\s*\}\s*\})(?![0-9])"
)
_BASE_IN_WORDS = re.compile(
    r"\s*(?:\\text\s*\{|\()?\s*\(?\s*(?:in\s+)?base\s*\}?\s*\{?\s*([0-9]{1,2})\s*\)?\s*\}?", re.IGNORECASE
)
_BASES = {name: base for base, name in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine"), 2)}
_BASES |= {"ten": 10, "twelve": 12, "sixteen": 16}
_EMPTY_SET = re.compile(r"\\varnothing(?![A-Za-z])|\\\{\s*\\\}")
_LAST_LETTER = re.compile(r"(?<=[\s0-9}])([A-Za-z]{1,2})\s*$")
_NAME = re.compile(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]{3,}")
_COMMAND_AT_END = re.compile(r"\\(?!pi$)[A-Za-z]+$")
_RELATION = re.compile(r"[=<>,]")
_VARIABLE = re.compile(r"[A-Za-z]")
_ROMAN_UNIT = re.compile(r"\\(?:text|mathrm|textrm)\s*\{\s*([ie])\s*\}")
_FUNCTION_POWER = re.compile(
    r"\\(sin|cos|tan|cot|sec|csc|log|ln)\s*\^\s*(?:\{\s*([0-9]+)\s*\}|([0-9]))\s*([A-Za-z])(?![A-Za-z])"
)
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_DEGREES = r"([0-9]{1,4}(?:\.[0-9]+)?)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))"
_DEGREE = re.compile(rf"\(\s*{_DEGREES}\s*\)|\s*{_DEGREES}")
_ANGLES = re.compile(r"\\langle(?![A-Za-z])((?:(?!\\langle)[^<>])*?)\\rangle(?![A-Za-z])")
_CASES = re.compile(r"\\begin\s*\{cases\}((?:(?!\\begin).)*?)\\end\s*\{cases\}", re.DOTALL)
_LINE = re.compile(r"\\\\|\n")
_CONNECTIVE = re.compile(r"\\(?:text|textrm|mathrm|mbox)\s*\{\s*(?:and|or)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])")
_QUAD = re.compile(r"\\q?quad(?![A-Za-z])")


def rewrite_notation(answer: str) -> str:
    r"""The same answer in notations that math-verify reads correctly.

    Example: `£2{,}500` becomes `2500`, and `5\text{ million}` becomes `5\times10^{6}`.
    """
    for rule in RULES:
        answer = rule(answer)
    return answer


def drop_currency(answer: str) -> str:
    r"""`£5`, `\$5` and `5\$` become `5`; a plain dollar sign is kept, because it delimits mathematics."""
    # A whole run is matched wherever it stands: looking ahead from each of its signs would take quadratic time.
    without = _CURRENCY_BEHIND.sub("", answer)
    return _CURRENCY.sub(lambda run: "" if _NUMBER_BEGINS.match(without, run.end()) else run[0], without)


def write_out_mixed_numbers(answer: str) -> str:
    r"""`3 1/2` becomes `3\frac{1}{2}`, which is read as seven halves."""
    return _MIXED.sub(r"\1\\frac{\2}{\3}", answer)


def write_out_degrees(answer: str) -> str:
    r"""`\sin 30^\circ` becomes `\sin(\frac{30\pi}{180})`: the sine of 30 degrees, and not of the number 30.

    In an answer with such a function all degrees are written out: `\sin(90^\circ - x)` is the cosine of x.
    """
    if not _TRIGONOMETRIC.search(answer):
        return answer
    return _DEGREE.sub(lambda match: rf"(\frac{{{match[1] or match[2]}\pi}}{{180}})", answer)


def write_out_scales(answer: str) -> str:
    r"""`5\text{ million}` becomes `5\times10^{6}`: the word must not be dropped like a unit."""
    return _SCALE.sub(lambda match: rf"{match[1]}\times10^{{{_SCALES[match[2].lower()]}}}", answer)


def write_out_exponents(answer: str) -> str:
    r"""`2.5e-3` becomes `2.5\times10^{-3}`, so that it is not read as a product with Euler's number."""
    return _SCIENTIFIC.sub(
        lambda match: rf"{match[1]}\times10^{{{int(match[2])}}}" if len(match[2]) < 7 else match[0], answer
    )


def write_out_repetitions(answer: str) -> str:
    r"""`0.1\overline{6}`, a repeating decimal, becomes `\frac{1}{6}`: (16 - 1) / 90.

    So do `0.1\dot{6}`, `0.1\bar6` and `0.1(6)`; in `0.\dot{1}4\dot{2}` the digits from dot to dot are repeated.
    """

    def as_fraction(match: re.Match[str]) -> str:
        if len(match[0]) > 60:
            return match[0]
        whole, fixed = match["whole"], match["fixed"]
        repeated = match["barred"] or match["digit"] or match["bracketed"]
        repeated = repeated or match["first"] + (match["middle"] or "") + (match["last"] or "")
        nines = (10 ** len(repeated) - 1) * 10 ** len(fixed)
        value = Fraction(int(whole + fixed + repeated or 0) - int(whole + fixed or 0), nines)
        return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    return _REPEATING.sub(as_fraction, answer)


def write_out_bases(answer: str) -> str:
    r"""`52_{8}` and `52\text{ (base 8)}`, numbers in base 8, become `42`; the base must not be dropped."""

    def as_decimal(match: re.Match[str]) -> str:
        base = _BASES.get(match["word"], 0) or int(match["braced"] or match["plain"] or 0)
        try:
            return str(int(match["digits"], base)) if 2 <= base <= 36 and len(match["digits"]) <= 60 else match[0]
        except ValueError:  # a digit that the base does not have
            return match[0]

    if "base" in answer:
        answer = _BASE_IN_WORDS.sub(r"_{\1}", answer)
    return _BASED.sub(as_decimal, answer)


def write_empty_sets(answer: str) -> str:
    r"""`\varnothing` and `\{\}` become `\emptyset`."""
    return _EMPTY_SET.sub(r"\\emptyset", answer)


def write_units_as_letters(answer: str) -> str:
    r"""`3\mathrm{i}` becomes `3i`: the imaginary unit must not be dropped like a unit of measurement."""
    return _ROMAN_UNIT.sub(r" \1 ", answer)


def brace_function_powers(answer: str) -> str:
    r"""`\sin^2 t` becomes `\sin^{2}{t}`: the letter must not be dropped like a unit."""
    return _FUNCTION_POWER.sub(lambda match: rf"\{match[1]}^{{{match[2] or match[3]}}}{{{match[4]}}}", answer)


def round_angles(answer: str) -> str:
    r"""`\langle 1, 2 \rangle` becomes the vector `(1, 2)`."""
    return _ANGLES.sub(r"(\1)", answer)


def list_cases(answer: str) -> str:
    r"""A system of equations in `cases` becomes the list of its lines, separated by commas.

    A definition by cases, which has conditions behind `&`, is kept.
    """

    def as_list(match: re.Match[str]) -> str:
        lines = [line.strip() for line in _LINE.split(match[1])]
        return match[0] if "&" in match[1] else ", ".join(filter(None, lines))

    return _CASES.sub(as_list, answer)


def keep_last_letter(answer: str) -> str:
    r"""In `a + c` and `\frac{a}{b} c` the last letter is a variable like the others, and must not go like a unit."""
    last = _LAST_LETTER.search(answer)
    if last is None:
        return answer
    before, letter = answer[: last.start()].rstrip(), last[1]
    if before.endswith(("+", "-", "*", "/", "=", ",", "<", ">", "(")):
        return before + letter
    if _COMMAND_AT_END.search(before):
        return f"{before}{{{letter}}}"
    term = _RELATION.split(before)[-1]
    return rf"{before}\cdot({letter})" if _VARIABLE.search(_NAME.sub(" ", term)) else answer


def group_assignments(answer: str) -> str:
    r"""In `p=5, q=2 \text{ and } p=7, q=2` the word becomes a semicolon, as it separates complete solutions."""
    groups = [_QUAD.sub(" ", group).strip() for group in _CONNECTIVE.split(answer)]
    several = len(groups) > 1 and all(group.count("=") > 1 and "," in group for group in groups)
    return ";".join(groups) if several else answer


RULES: tuple[Callable[[str], str], ...] = (
    drop_currency,
    write_out_mixed_numbers,
    join_thousands,
    write_out_bases,
    write_out_scales,
    write_out_exponents,
    write_out_repetitions,
    brace_function_powers,
    write_out_degrees,
    round_angles,
    list_cases,
    write_empty_sets,
    write_units_as_letters,
    keep_last_letter,
    group_assignments,
)

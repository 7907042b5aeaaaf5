r"""What separates the items of an answer, and what only groups the digits of a number.

A comma before exactly three digits groups thousands where no bracket surrounds it; so do `{,}` and `,\!` anywhere. A
comma within brackets, before another number of digits, or before a space separates two items. Semicolons, `\quad`,
`\\`, `&`, "and" and "or" separate items, too.
"""

import re
from collections.abc import Iterator

_GROUP_MARK = r"(?:\{,\}(?:\\!)?|,\\!|\\[,!;: ]|~|\{\\[,!;: ]\})"
_TOKEN = re.compile(
    rf"(?<![0-9.,])(?P<marked>[1-9][0-9]{{0,2}}(?:{_GROUP_MARK}\s?[0-9]{{3}})+)(?![0-9])"
    r"|(?<![0-9.,])(?P<plain>[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?![0-9]|,[0-9])"
    r"|(?P<open>[(\[]|\\\{|\\langle)|(?P<close>[)\]]|\\\}|\\rangle)|\\[A-Za-z]+|\\."
)
_SPACED_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?: [0-9]{3})+(?:\.[0-9]+)?")
_BRACED = re.compile(r"\{[^{}]*\}")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]{2}")
_DECIMAL_POINT = re.compile(r"[+-]?[0-9]+\.[0-9]{2}")

_ENVIRONMENT = re.compile(r"\\begin\s*\{|\\sum|\\prod|\\int|\\lim")
_TIGHT_COMMA = re.compile(r"(?<![{\\]),(?:\\[,;: ])*(?=[-+0-9.(\\])(?!\\!)")
_CONNECTIVE = re.compile(
    r"\\(?:text|textrm|mathrm)\s*\{\s*(?:,\s*)?(?:and|or)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])"
    r"|\\(?:lor|vee)(?![A-Za-z])"
)
_INEQUALITIES = ("<", ">", r"\le", r"\ge", r"\lt", r"\gt")
"""Signs beside which "or" joins two ranges to one set."""
_BETWEEN_NUMBERS = re.compile(r"(?<=[0-9])\s*\\(?:text|textrm|mathrm)\s*\{[^{}]*[A-Za-z]{2}[^{}]*\}\s*(?=[0-9])")
_GAP = re.compile(r"\\q?quad(?![A-Za-z])|\\\\(?![A-Za-z])|\\newline(?![A-Za-z])|&|\n")
_AROUND = " \t,~"
_SEMICOLON = re.compile(r"(?<!\\);")
_RANGE = re.compile(r"(?<=[0-9])\s*\\sim(?![A-Za-z])\s*(?=[0-9])")
_WORDLESS = re.compile(r"\\(?:text|textrm|mathrm)\s*\{[^{}]*\}|\\[,;:! ]|[^A-Za-z0-9\\]+")


def join_thousands(answer: str) -> str:
    r"""Join the digits of numbers whose thousands are set apart.

    Example: `1,024`, `1{,}024`, `1,\!024`, `1\,024` and `1\ 024` are `1024`; `(24,108)`, `24, 108`, `1,2,300` stay.
    """
    if _SPACED_THOUSANDS.fullmatch(answer):
        return answer.replace(" ", "")
    if not any(mark in answer for mark in ",\\~"):
        return answer
    return "".join(_join(answer))


def _join(answer: str) -> Iterator[str]:
    depth = 1 if _BRACED.fullmatch(answer) else 0
    position = 0
    for token in _TOKEN.finditer(answer):
        yield answer[position : token.start()]
        position = token.end()
        if token["open"] or token["close"]:
            depth = max(depth + (1 if token["open"] else -1), 0)
        joined = token["marked"] or (token["plain"] if depth == 0 else None)
        yield re.sub("[^0-9]", "", joined) if joined else token[0]
    yield answer[position:]


def compare_decimal_commas(gold: str, prediction: str) -> bool | None:
    """Whether `1,22` equals `1.22`: a comma before two digits may be a decimal one where the other has a point.

    None where one of the two is no such number; a comma against a comma is a list against a list.
    """
    for one, other in ((gold, prediction), (prediction, gold)):
        if _DECIMAL_COMMA.fullmatch(one) and _DECIMAL_POINT.fullmatch(other):
            return one.replace(",", ".").lstrip("+") == other.lstrip("+")
    return None


def separate_items(answer: str) -> str:
    r"""Write the items of a list with a comma and a space between them, whatever separates them.

    Matrices, systems and sums are kept, and so is a semicolon beside commas, which separates solutions of several
    values.

    Example: `1,2,3`, `1;2;3`, `1 \text{ and } 2,3` and `1 \quad 2 \\ 3` are lists of three.
    """
    if _ENVIRONMENT.search(answer):
        return answer
    answer = _RANGE.sub(", ", answer)
    answer = _BETWEEN_NUMBERS.sub(", ", answer)
    if ";" not in answer and not any(sign in answer for sign in _INEQUALITIES):
        answer = _split(_CONNECTIVE, answer) or answer
    answer = _split(_GAP, answer) or answer
    if ";" in answer and "," not in answer:
        answer = _split(_SEMICOLON, answer) or answer
    return _TIGHT_COMMA.sub(", ", answer)


def _split(separator: re.Pattern[str], answer: str) -> str | None:
    """The items between separators as a list with commas; None where there are none, or one has no content."""
    items = [item.strip(_AROUND) for item in separator.split(answer)]
    items = [item for item in items if item]
    return ", ".join(items) if len(items) > 1 and all(_WORDLESS.sub("", item) for item in items) else None

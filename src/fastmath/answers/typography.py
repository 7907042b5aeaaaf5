r"""What an answer says without its dress: characters beyond ASCII, and commands that change only how it looks.

Every function takes linear time, and leaves an answer alone that needs nothing or is very long.
"""

import re
import unicodedata

MAX_CHARACTERS = 12_000
"""Longest answer that is undressed, in characters; longer ones are too costly to parse in any case."""

_SYMBOLS = {
    **dict.fromkeys("\u2212\u2013\uff0d\ufe63", "-"),
    **dict.fromkeys("\u00b7\u22c5\u2219", r" \cdot "),
    **{"\u00d7": r" \times ", "\u00f7": r" \div ", "\u2044": "/", "\u2215": "/", "\u00a0": "~", "\u2009": r"\,"},
    **{"\u202f": r"\,", "\u2264": r" \le ", "\u2265": r" \ge ", "\u2260": r" \neq ", "\u2248": r" \approx "},
    **{"\u2261": r" \equiv ", "\u00b1": r" \pm ", "\u2213": r" \mp ", "\u221e": r" \infty ", "\u2205": r" \emptyset "},
    **{"\u222a": r" \cup ", "\u2229": r" \cap ", "\u2208": r" \in ", "\u2026": r" \ldots ", "\u03c0": r" \pi "},
    **{"\u00b0": r"^\circ ", "\u221a": r" \sqrt ", "\u2211": r" \sum ", "\u2220": r" \angle "},
    **{"\u3002": ".", "\u3001": ",", "\u2032": "'", "\u2019": "'"},
}
_TRANSLATION = str.maketrans(_SYMBOLS)
_RAISED = {"\u00b9": "1", "\u00b2": "2", "\u00b3": "3", "\u2071": "i", "\u207f": "n", "\u207a": "+", "\u207b": "-"}
_RAISED |= {chr(0x2070 + digit): str(digit) for digit in (0, *range(4, 10))}
_LOWERED = {chr(0x2080 + digit): str(digit) for digit in range(10)} | {"\u208a": "+", "\u208b": "-", "\u2099": "n"}
_SCRIPTS = re.compile(f"(?P<raised>[{''.join(_RAISED)}]+)|(?P<lowered>[{''.join(_LOWERED)}]+)")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e]")
_OVERLINE = "\u0305"
_OVERLINED = re.compile(f"(?:[0-9]{_OVERLINE})+")
_DOTTED = re.compile("([0-9])\u0307")
# Full-width forms, and the bold, slanted and double-struck alphabets of mathematics.
_FORMS = re.compile("[\uff01-\uff5e\U0001d400-\U0001d7ff]+")
_ROOT = re.compile(r"\\sqrt(?:\s+(?=[{(0-9A-Za-z])|(?=[(0-9]))(?:([0-9]+|[A-Za-z])|\(([^()]*)\))?")

_UNWRAPPED = (
    *(
        "underline",
        "uline",
        "underbar",
        "bm",
        "boldsymbol",
        "pmb",
        "mathsf",
        "mathtt",
        "mathit",
        "mathbf",
        "ensuremath",
    ),
    *("Large", "large", "LARGE", "huge", "Huge", "small", "normalsize", "mathnormal", "smash"),
)
_WORDS = ("emph", "textup", "textsf", "texttt", "textsl", "textnormal", "textmd", "hbox", "mbox")
"""Commands around words, which `\\text` says as well."""
_COLOURS = ("color", "textcolor", "colorbox", "fcolorbox")
_EMPTY = ("phantom", "hphantom", "vphantom", "hspace", "vspace", "label", "tag", "kern")
_SWITCHES = (
    *("bf", "rm", "it", "tt", "sf", "sc", "bfseries", "displaystyle", "textstyle", "scriptstyle", "boldmath", "strut"),
    *(
        "large",
        "Large",
        "LARGE",
        "huge",
        "Huge",
        "small",
        "tiny",
        "normalsize",
        "centering",
        "limits",
        "nolimits",
        "checkmark",
        "blacksquare",
    ),
    *("big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr", "mathstrut"),
)
_GROUPED = re.compile(
    rf"\\(?:(?P<unwrap>{'|'.join(_UNWRAPPED)})|(?P<colour>{'|'.join(_COLOURS)})|(?P<empty>{'|'.join(_EMPTY)}))\*?"
    r"(?=\s*[{\[])"
)
_DECORATION = re.compile(
    rf"\\(?:{'|'.join((*_UNWRAPPED, *_WORDS, *_COLOURS, *_EMPTY, *_SWITCHES, 'not'))})(?![A-Za-z])"
)
_SWITCH = re.compile(rf"\\(?:{'|'.join(_SWITCHES)})(?![A-Za-z])\s?")
_WORD = re.compile(rf"\\(?:{'|'.join(_WORDS)})(?=\s*\{{)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_NEGATIVE_SPACE = re.compile(r"(?<![,}])\\!")
_EMPTY_DELIMITERS = re.compile(r"\\left\s*\.((?:(?!\\left).)*?)\\right\s*\.", re.DOTALL)
_NEGATION = re.compile(r"\\not\s*(=|<|>|\\in(?![A-Za-z])|\\equiv(?![A-Za-z]))")
_NEGATED = {"=": r"\neq ", "<": r"\nless ", ">": r"\ngtr ", r"\in": r"\notin ", r"\equiv": r"\not\equiv "}
_DELIMITED = re.compile(r"\$\$([^$]+)\$\$|\$([^$]+)\$|\\\(((?:(?!\\\)).)+)\\\)|\\\[((?:(?!\\\]).)+)\\\]", re.DOTALL)
_LEADING = re.compile(
    r"(?:\s|=|\\(?:therefore|implies|Rightarrow|Longrightarrow|rightarrow|to|hence)(?![A-Za-z])|\\[,;:! ])+"
)
_QUOTES = re.compile("[\"'`\u201c\u2018]+(.*?)[\"'`\u201d\u2019]+", re.DOTALL)
_EMPHASISED = re.compile(r"\*\*([^*]+)\*\*|__([^_]+)__")
_TEXT_WITH_NUMBER = re.compile(r"\\text\s*\{([^{}]*[0-9][^{}]*)\}")
_WRAPPINGS = (_EMPHASISED, _DELIMITED, _QUOTES, _TEXT_WITH_NUMBER)
_PUNCTUATION = re.compile(r"(?:\s|[,;]|(?<!\.)\.|\\[,;:! ]|(?<!\\)\\)+\Z")


_MATH_MARK = re.compile(r"\$|\\[(\[]|\\boxed")
_QUOTED = re.compile(r"\\[A-Za-z]*text[A-Za-z]*\s*\{[^{}]*\}|\\mathrm\s*\{[^{}]*\}")
_PLAIN_WORD = re.compile(r"(?<![A-Za-z\\{])[A-Za-z]{2,}(?![A-Za-z}])")
_TWO_WORDS = re.compile(rf"{_PLAIN_WORD.pattern}\s+{_PLAIN_WORD.pattern}")
PROSE_WORDS = 3
"""Words outside LaTeX, two of them next to each other, from which an answer is a sentence: `ab + ac + bc` is none."""


def is_prose(answer: str) -> bool:
    """Whether an answer is text with formulas in it, rather than one formula."""
    if _MATH_MARK.search(answer):
        return True
    text = _QUOTED.sub(" ", answer)
    words = _PLAIN_WORD.findall(text)
    return "answer" in map(str.casefold, words) or (len(words) >= PROSE_WORDS and bool(_TWO_WORDS.search(text)))


def undress(answer: str) -> str:
    r"""The same answer in plain LaTeX: without colours, fonts, sizes, and the delimiters around the whole of it.

    Superscripts, fractions, full-width digits and mathematical symbols of Unicode become LaTeX, and punctuation behind
    the answer is dropped.

    Example: `\color{red}{5}`, `\underline{5}`, `**5**`, `$5$.` and a full-width 5 are `5`; `5²` is `5^{2}`.
    """
    if (answer.isalnum() and answer.isascii()) or len(answer) > MAX_CHARACTERS:
        return answer
    if "\\left" in answer:
        answer = _EMPTY_DELIMITERS.sub(r"\1", answer)
    answer = _strip_outside(answer)
    if not answer.isascii() and not is_prose(answer):
        answer = _write_in_latex(answer)
    if "\\!" in answer:
        answer = _NEGATIVE_SPACE.sub("", answer)
    if "\\" in answer and _DECORATION.search(answer):
        answer = _NEGATION.sub(lambda match: _NEGATED[match[1]], answer)
        answer = _SWITCH.sub("", _WORD.sub(r"\\text", _drop_groups(answer)))
    return _strip_outside(answer)


def _strip_outside(answer: str) -> str:
    """Drop the delimiters around the whole answer, and the punctuation and spaces around it."""
    answer = _PUNCTUATION.sub("", answer.strip())
    if leading := _LEADING.match(answer):
        answer = answer[leading.end() :]
    whole = next(filter(None, (pattern.fullmatch(answer) for pattern in _WRAPPINGS)), None)
    return _PUNCTUATION.sub("", next(filter(None, whole.groups())).strip()) if whole else answer


def _write_in_latex(answer: str) -> str:
    answer = _FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), answer)
    answer = _VULGAR.sub(_write_fraction, answer)
    answer = _DOTTED.sub(r"\\dot{\1}", _OVERLINED.sub(_write_overline, answer))
    answer = _SCRIPTS.sub(_write_script, answer)
    answer = answer.translate(_TRANSLATION)
    return _ROOT.sub(lambda match: rf"\sqrt{{{match[1] or match[2]}}}" if match[1] or match[2] else r"\sqrt", answer)


def _write_fraction(match: re.Match[str]) -> str:
    numerator, _, denominator = unicodedata.normalize("NFKC", match[0]).partition("\u2044")
    return rf"\frac{{{numerator}}}{{{denominator}}}"


def _write_overline(match: re.Match[str]) -> str:
    return rf"\overline{{{match[0].replace(_OVERLINE, '')}}}"


def _write_script(match: re.Match[str]) -> str:
    if raised := match["raised"]:
        return "^{" + "".join(_RAISED[character] for character in raised) + "}"
    return "_{" + "".join(_LOWERED[character] for character in match["lowered"]) + "}"


def _drop_groups(answer: str) -> str:
    """Drop commands of looks, and the braces around what they dress; the group of a colour or a space goes whole."""
    kept, position = [], 0
    dropped_ends: set[int] = set()
    ends = _match_braces(answer)
    while position < len(answer):
        command = _GROUPED.match(answer, position) if answer[position] == "\\" else None
        if position in dropped_ends:
            position += 1
        elif command is None:
            length = 2 if answer[position] == "\\" else 1
            kept.append(answer[position : position + length])
            position += length
        else:
            position = _skip_spaces(answer, command.end())
            if not command["unwrap"]:
                position = _skip_spaces(answer, ends.get(position, position) + 1)
            if not command["empty"] and position in ends:
                dropped_ends.add(ends[position])
                position += 1
    return "".join(kept)


def _match_braces(answer: str) -> dict[int, int]:
    """Position of the closing brace of every opening one that has one."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for token in _BRACE.finditer(answer):
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}" and opened:
            ends[opened.pop()] = token.start()
    return ends


def _skip_spaces(answer: str, position: int) -> int:
    while position < len(answer) and answer[position].isspace():
        position += 1
    return position

r"""Repair of LaTeX commands whose beginning was read as an escape: `\frac` became a form feed followed by `rac`.

Sources that were once written with too few backslashes contain such control characters. They are invisible when
printed, and a model would learn them.
"""

import re
from dataclasses import dataclass

_COMMANDS = {
    "\x07": ("a", "lpha ngle pprox rcsin rccos rctan rcsec st symp leph malg cute sinh rg"),
    "\x08": (
        "b",
        "oxed inom eta egin ar mod ig igg igl igr iggl iggr igcup igcap oldsymbol ullet ot ecause f m etween",
    ),
    "\x0b": ("v", "ec ert arphi arepsilon dots artheta arrho arnothing arsigma arpi ee dash phantom space artriangle"),
    "\x0c": ("f", "rac loor orall box lat ootnote"),
    # A carriage return may end a line, and only what begins no word can be told from the next one.
    "\r": ("r", "ight ho ightarrow ightleftharpoons ceil floor angle brace vert"),
}
r"""Control characters that Python or JSON makes of the escapes of `\a`, `\b`, `\v`, `\f` and `\r` → the letter of the
escape, and what follows it in the commands that begin with it."""

_PARTNERED = ("floor", "angle", "brace", "vert")
"""Words that a line may begin with; after a carriage return they are commands where the left one stands in the text."""

# A tab may also be layout, and `an` or `o` may begin a word. So after a tab only beginnings that no text would have
# there are taken for commands.
_AFTER_TAB = (
    r"ext(?:bf|it|rm|sf|tt|up|normal)?\s*\{|imes|heta|riangle|frac|binom\s*[{0-9]|ilde\s*\{|herefore|au(?![A-Za-z])"
)
_AFTER_NEWLINE = r"abla(?![A-Za-z])|otin(?![A-Za-z])|eq(?=\s*[0-9\\{]|\s+[a-z]\s*[,.$)])"


def _compile() -> re.Pattern[str]:
    certain = [
        rf"{re.escape(mark)}(?=(?:{'|'.join(map(re.escape, endings.split()))})(?![A-Za-z]))"
        for mark, (_, endings) in _COMMANDS.items()
    ]
    return re.compile("|".join([*certain, rf"\t(?={_AFTER_TAB})", rf"\n(?={_AFTER_NEWLINE})"]))


_REPAIRABLE = _compile()
_LETTERS = {mark: letter for mark, (letter, _) in _COMMANDS.items()} | {"\t": "t", "\n": "n"}
_BROKEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_END = re.compile(r"\r\n?")


@dataclass(frozen=True)
class Repair:
    """Result of repairing a text.

    Attributes:
        text: text in which every repairable command has its backslash again and every line ends with a line feed.
        repaired: number of commands that were repaired.
        broken: number of control characters that remain, because it is unknown what they stood for.
    """

    text: str
    repaired: int
    broken: int


def repair_text(text: str) -> Repair:
    r"""Repair LaTeX commands that lost their backslash, where only one reading is possible.

    Example: a form feed and `rac{1}{2}` become `\frac{1}{2}`; a form feed before `zzz` stays and is counted as broken.
    """
    if text.isprintable():
        return Repair(text, 0, 0)
    repaired = 0

    def write_backslash(match: re.Match[str]) -> str:
        nonlocal repaired
        word = next((word for word in _PARTNERED if text.startswith(word, match.end())), None)
        if match[0] == "\r" and word is not None and rf"\l{word}" not in text:
            return match[0]
        repaired += 1
        return "\\" + _LETTERS[match[0]]

    whole = _LINE_END.sub("\n", _REPAIRABLE.sub(write_backslash, text))
    return Repair(whole, repaired, len(_BROKEN.findall(whole)))

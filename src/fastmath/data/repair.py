r"""Repair of LaTeX commands whose beginning was read as an escape: `\frac` became a form feed followed by `rac`.

Sources that were once written with too few backslashes contain such control characters. They are invisible when
printed, and a model would learn them.
"""

import re
from dataclasses import dataclass

_LETTERS = {"\x07": "a", "\x08": "b", "\t": "t", "\x0b": "v", "\x0c": "f"}
r"""Control characters that Python or JSON makes of `\a`, `\b`, `\t`, `\v` and `\f` → the letter of the escape."""
_COMMANDS = {
    "a": ("lpha", "ngle", "pprox", "rcsin", "rccos", "rctan", "st"),
    "b": ("oxed", "inom", "eta", "egin", "ar", "mod", "igl", "igr", "oldsymbol", "ullet", "ot"),
    "t": ("ext", "imes", "heta", "riangle", "an", "frac", "o", "binom", "ilde", "au"),
    "v": ("ec", "ert", "arphi", "arepsilon", "dots"),
    "f": ("rac", "loor", "orall", "box"),
}
# A tab may also be layout, and `an` or `o` may begin a word. So after a tab only beginnings that no text would have
# there are taken for commands.
_AFTER_TAB = ("ext{", "imes", "heta", "riangle", "frac{", "binom{", "ilde{")


def _compile() -> re.Pattern[str]:
    certain = [
        rf"{re.escape(mark)}(?=(?:{'|'.join(_COMMANDS[letter])})(?![A-Za-z]))"
        for mark, letter in _LETTERS.items()
        if mark != "\t"
    ]
    return re.compile("|".join([*certain, rf"\t(?=(?:{'|'.join(map(re.escape, _AFTER_TAB))}))"]))


_REPAIRABLE = _compile()
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
    text, repaired = _REPAIRABLE.subn(lambda match: "\\" + _LETTERS[match[0]], _LINE_END.sub("\n", text))
    return Repair(text, repaired, len(_BROKEN.findall(text)))

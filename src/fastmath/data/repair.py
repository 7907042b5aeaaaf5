r"""Control characters where a backslash and a letter should stand: `\frac` read as an escape is a form feed and `rac`.

A source that was once written with too few backslashes carries them. They are invisible when printed, and a model
would learn them.
"""

import re
from dataclasses import dataclass

_LETTERS = {"\x07": "a", "\x08": "b", "\t": "t", "\x0b": "v", "\x0c": "f"}
"""What Python and JSON make of `\a`, `\b`, `\t`, `\v` and `\f`."""
_COMMANDS = {
    "a": ("lpha", "ngle", "pprox", "rcsin", "rccos", "rctan", "st"),
    "b": ("oxed", "inom", "eta", "egin", "ar", "mod", "igl", "igr", "oldsymbol", "ullet", "ot"),
    "t": ("ext", "imes", "heta", "riangle", "an", "frac", "o", "binom", "ilde", "au"),
    "v": ("ec", "ert", "arphi", "arepsilon", "dots"),
    "f": ("rac", "loor", "orall", "box"),
}
# A tab is also layout, and `an` or `o` begin words: after one only what no text begins a column with is a command.
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
    """A text as it should stand.

    Attributes:
        text: with line feeds alone as line ends, and with every repairable command whole.
        repaired: number of commands that were made whole.
        broken: number of control characters for which nobody can say what they were.
    """

    text: str
    repaired: int
    broken: int


def repair_text(text: str) -> Repair:
    r"""Make commands whole where only one reading is possible.

    Example: a form feed before `rac{1}{2}` becomes `\frac{1}{2}`; one before `zzz` stays and is counted as broken.
    """
    if text.isprintable():
        return Repair(text, 0, 0)
    text, repaired = _REPAIRABLE.subn(lambda match: "\\" + _LETTERS[match[0]], _LINE_END.sub("\n", text))
    return Repair(text, repaired, len(_BROKEN.findall(text)))

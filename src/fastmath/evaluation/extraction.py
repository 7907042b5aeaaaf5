r"""How answers are extracted, made visible: which samples have none, one that cannot be right, or one that is not read.

A wrong sample whose text holds the right answer may have been right, and badly extracted. It need not: a text of
thousands of numbers holds a short one by chance, and a model may name the right answer and reject it. The count is
where to look, and no accuracy.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from fastmath.answers.extract import extract_boxed
from fastmath.answers.integers import read_gold, to_int

BY_CHANCE = (
    "`right in text` counts wrong samples in which the right answer stands somewhere; a short number does so by chance."
)
_GROUP_MARK = r"(?:,|\{,\}|\\,|,\\!)"
"""What sets thousands apart; only what needs no space, which stands between two numbers as well."""
_NO_THOUSANDS = r"(?<![0-9],)(?<![0-9]\{,\})(?<![0-9]\\,)(?<![0-9],\\!)"
_GAP = r"(?:\s|\\[,;:! ]|\\left(?![A-Za-z])|\\right(?![A-Za-z])){0,4}"
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|[^\s$]", re.DOTALL)
_IDLE = re.compile(r"\\[,;:! ]|\\left|\\right")
_FRACTION = re.compile(r"\\[dtc]?frac")
_NOTHING = re.compile("(?!)")


@dataclass(frozen=True)
class ExtractionCounts:
    """Numbers of samples of one model; one sample may be in several. None where the samples do not tell.

    Attributes:
        samples: all samples.
        correct: those that are right.
        answered: those with an answer.
        cut: those that reached the token budget.
        ended_without_box: those that ended by themselves, and whose text has no box.
        box_not_read: those that ended by themselves with a box, but not where answers are read.
        not_integer: those with an answer that is no integer, though the gold one is.
        out_of_range: those whose answer is an integer outside of the contest's range.
        right_in_text: those that are not right, and in whose text the gold answer stands as a number of its own.
    """

    samples: int
    correct: int
    answered: int
    cut: int | None
    ended_without_box: int | None
    box_not_read: int | None
    not_integer: int
    out_of_range: int | None
    right_in_text: int | None

    def share(self, count: int) -> float:
        """A count as a share of all samples; 0 where there are none."""
        return count / self.samples if self.samples else 0.0


def count_extraction(
    samples: pl.DataFrame, problems: pl.DataFrame, answer_range: tuple[int, int] | None = None
) -> ExtractionCounts:
    r"""Count how the answers of one model's samples were extracted.

    Example: `</think>\boxed{7}` of a model whose answers are read before `</think>` counts as `box_not_read`, and if 7
    is the gold answer also as `right_in_text`.

    Args:
        samples: table of `problem_id, text, answer, correct, finish_reason`.
        problems: table of `id, answer`.
        answer_range: smallest and largest answer that the contest allows, both inclusive; None for no such rule.

    Raises:
        ValueError: a sample's problem is not among the problems.
    """
    golds = dict(problems.select(pl.col("id", "answer").cast(pl.String)).iter_rows())
    missing = set(samples["problem_id"]) - golds.keys()
    if missing:
        raise ValueError(
            f"{len(missing)} problems of the samples are unknown, such as {min(missing)!r}; want their answers"
        )
    values = {answer: to_int(answer) for answer in samples["answer"].drop_nulls().unique()}
    answered = samples.filter(pl.col("answer").is_not_null()).select("problem_id", "answer").rows()
    integers = {name for name, gold in golds.items() if gold is not None and read_gold(gold) is not None}
    has_texts = samples["text"].null_count() < len(samples)
    has_ends = samples["finish_reason"].null_count() < len(samples)
    ended = samples.filter((pl.col("finish_reason") == "stop") & pl.col("answer").is_null())["text"].drop_nulls()
    boxed = sum(extract_boxed(text) is not None for text in ended)
    return ExtractionCounts(
        samples=len(samples),
        correct=int(samples["correct"].sum()),
        answered=len(answered),
        cut=int((samples["finish_reason"] == "length").sum()) if has_ends else None,
        ended_without_box=len(ended) - boxed if has_texts and has_ends else None,
        box_not_read=boxed if has_texts and has_ends else None,
        not_integer=sum(values[answer] is None and name in integers for name, answer in answered),
        out_of_range=None if answer_range is None else sum(_is_outside(values[a], answer_range) for _, a in answered),
        right_in_text=_count_right_in_text(samples, golds) if has_texts else None,
    )


def find_in_text(gold: str) -> Callable[[str], bool]:
    r"""The test whether a text holds a gold answer, as a number or an expression of its own.

    An integer may have leading zeros, thousands set apart, and zeros behind a decimal point; it must not be a part of a
    longer number, which a comma before three digits may make it, nor stand behind a minus sign, be it that of a
    subtraction. Any other answer is compared token by token, whatever spaces and commands of size stand between them.

    Example: 1024 stands in `is 1{,}024.` and in `1024.0`, but not in `11024`, `1024.5` or `-1024`; `\frac{1}{2}` stands
    in `x = \dfrac{1}{ 2}`.
    """
    value = read_gold(gold)
    pattern = _match_text(gold) if value is None else _match_integer(value)
    return lambda text: pattern.search(text) is not None


def render_extraction(counts: Mapping[str, ExtractionCounts]) -> str:
    """The counts of several models, by name, as a markdown table, with their shares and a warning about chance."""
    names = list(ExtractionCounts.__dataclass_fields__)
    lines = [["model", *(name.replace("_", " ") for name in names)], [":--"] + ["--:"] * len(names)]
    for model, counted in counts.items():
        cells = [_show(counted, getattr(counted, name)) for name in names[1:]]
        lines.append([model, str(counted.samples), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{BY_CHANCE}"


def _count_right_in_text(samples: pl.DataFrame, golds: Mapping[str, str | None]) -> int:
    tests = {
        name: find_in_text(golds[name] or "") for name in set(samples["problem_id"]) if (golds[name] or "").strip()
    }
    wrong = samples.filter(~pl.col("correct") & pl.col("text").is_not_null())
    return sum(name in tests and tests[name](text) for name, text in wrong.select("problem_id", "text").iter_rows())


def _match_integer(value: int) -> re.Pattern[str]:
    digits = str(abs(value))
    first = len(digits) % 3 or 3
    groups = [digits[:first], *(digits[start : start + 3] for start in range(first, len(digits), 3))]
    number = f"{_GROUP_MARK}?".join(groups)
    alone = r"(?<![0-9.])(?<![A-Za-z])"
    # `1,234` and `1,024` are numbers, and neither holds 234 or 24; `(5,24)` holds 24.
    padded = rf"{_NO_THOUSANDS}0*{number}"
    written = padded if len(digits) == 3 else rf"(?:{padded}|{number})"
    sign = r"(?<![0-9A-Za-z)}])[-\u2212]\s?" if value < 0 else r"(?<![-\u2212])"
    ends = rf"(?:(?!\.?[0-9])|(?=\.0+(?![0-9])))(?!{_GROUP_MARK}[0-9]{{3}}(?![0-9]))"
    return re.compile(sign + (written if value < 0 else alone + written) + ends)


def _match_text(gold: str) -> re.Pattern[str]:
    tokens = [token for token in _TOKEN.findall(gold) if not _IDLE.fullmatch(token)]
    if not tokens:
        return _NOTHING
    before = r"(?<![A-Za-z\\])" if tokens[0].isalpha() else ""
    behind = r"(?![A-Za-z])" if tokens[-1].isalpha() else ""
    return re.compile(before + _GAP.join(map(_match_token, tokens)) + behind)


def _match_token(token: str) -> str:
    """A token of its own: a number is no part of a longer one, and a command no beginning of another."""
    if token[0].isdigit():
        return rf"(?<![0-9])(?<![0-9]\.){re.escape(token)}(?![0-9]|\.[0-9])"
    if _FRACTION.fullmatch(token):
        return rf"{_FRACTION.pattern}(?![A-Za-z])"
    return re.escape(token) + ("(?![A-Za-z])" if len(token) > 1 and token[-1].isalpha() else "")


def _is_outside(value: int | None, answer_range: tuple[int, int]) -> bool:
    return value is not None and not answer_range[0] <= value <= answer_range[1]


def _show(counts: ExtractionCounts, count: int | None) -> str:
    return "" if count is None else f"{count} ({counts.share(count):.1%})"

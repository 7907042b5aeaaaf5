"""Published figures of the recipe, to stand beside ours: what the authors report, as data with its source.

Yoshihara, Yamaguchi and Inoue, "A Practical Two-Stage Recipe for Mathematical LLMs" (arXiv 2507.08267), and the card of
their model Fast-Math-R1-14B on the Hugging Face Hub.

Token budgets on AIME are those that the model's card prints: 32000, 24000, 16000, 12000 and 8000, also known as 32k to
8k. They are not multiples of 1024: 12k is 12000 and not 12288. A budget of 12288 is therefore a little larger, but
`find_published` finds the row by it, because both are called 12k.

The validation set is AIME 2025 together with the ten reference problems of AIMO2: 40 problems, as its shares, all
multiples of 1/40, confirm. Nothing was published about the ten alone.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PAPER = "arXiv 2507.08267"
CARD = "model card of RabotniKuma/Fast-Math-R1-14B"
BASE, SFT, GRPO = "DeepSeek-R1-Distill-Qwen-14B", "SFT", "SFT + GRPO (best checkpoint)"
"""Models of the paper's table: the one from which the recipe begins, and those after its stages."""
FAST_MATH = "Fast-Math-R1-14B"
"""The recipe's result, as it was released and measured on AIME."""
VALIDATION = "aimo2_validation"
"""AIME 2025 and the AIMO2 reference problems together, the authors' validation set."""
_NAMES = {
    "aime24": "aime_2024",
    "aime2024": "aime_2024",
    "aime25": "aime_2025",
    "aime2025": "aime_2025",
    "aimo2validation": VALIDATION,
    "aimo2reference": VALIDATION,
}


@dataclass(frozen=True)
class PublishedRow:
    """What was published about one model on one set under one token budget; None where nothing was.

    Attributes:
        set_name: `aime_2024`, `aime_2025` or `aimo2_validation`.
        problems: number of problems in the set.
        model: name of the model.
        token_budget: largest number of generated tokens of a sample.
        n: number of samples per problem.
        k: number of samples in majority@k and pass@k.
        pass_at_1: mean share of right samples.
        majority_at_k: share of problems whose most frequent answer is right.
        pass_at_k: share of problems with a right sample.
        answers_collected: mean number of samples with an answer per problem, out of n.
        mean_tokens: mean number of generated tokens of a sample.
        leaderboard: right answers on Kaggle's public leaderboard, out of 50; of the model, whatever the budget.
        source: where it was published.
    """

    set_name: str
    problems: int
    model: str
    token_budget: int
    n: int
    k: int
    pass_at_1: float | None
    majority_at_k: float | None
    pass_at_k: float | None
    answers_collected: float | None
    mean_tokens: float
    leaderboard: int | None
    source: str


_AIME_BUDGETS = (32_000, 24_000, 16_000, 12_000, 8_000)
_AIME = {
    # (pass@1 in per cent, mean output tokens) under each of the budgets.
    ("aime_2024", BASE): ((66.9, 11026), (65.7, 10784), (61.0, 9708), (53.7, 8472), (41.8, 6587)),
    ("aime_2024", FAST_MATH): ((68.0, 8217), (67.9, 8209), (66.7, 8017), (61.9, 7362), (51.4, 5939)),
    ("aime_2025", BASE): ((49.9, 12310), (49.7, 11978), (46.2, 10567), (39.9, 9008), (31.1, 6788)),
    ("aime_2025", FAST_MATH): ((49.6, 9663), (49.6, 9627), (48.4, 9083), (45.2, 8048), (36.3, 6174)),
}
_VALIDATION = (
    # model, leaderboard, then budget, majority@32, pass@32, answers collected, mean length of each budget
    (
        BASE,
        25,
        (16_384, 0.700, 0.775, 21.8, 9684),
        (12_800, 0.675, 0.775, 16.8, 8331),
        (9_000, 0.525, 0.600, 12.5, 4725),
    ),
    (
        SFT,
        23,
        (16_384, 0.750, 0.825, 20.7, 10396),
        (12_800, 0.725, 0.725, 15.7, 7024),
        (9_000, 0.550, 0.550, 11.6, 4387),
    ),
    (GRPO, 29, (12_800, 0.725, 0.775, 18.5, 6817), (9_000, 0.625, 0.700, 15.25, 4759)),
)


def _list_rows() -> Iterator[PublishedRow]:
    for (set_name, model), measured in _AIME.items():
        for budget, (percent, tokens) in zip(_AIME_BUDGETS, measured, strict=True):
            share, source = round(percent / 100, 3), f"{PAPER}; {CARD}"
            yield PublishedRow(set_name, 30, model, budget, 64, 1, share, None, None, None, tokens, None, source)
    for model, leaderboard, *measured in _VALIDATION:
        for budget, majority, passed, collected, tokens in measured:
            yield PublishedRow(
                VALIDATION, 40, model, budget, 32, 32, None, majority, passed, collected, tokens, leaderboard, PAPER
            )


PUBLISHED: tuple[PublishedRow, ...] = tuple(_list_rows())
"""All published rows: sets, models and budgets in the order of the authors' tables."""


def normalise_set_name(name: str) -> str | None:
    """The set that a name means; None for a set about which nothing was published.

    Example: `aime24`, `AIME2024`, `AIME 2024` and `aime_2024.jsonl` are `aime_2024`, and `aimo2_reference` is
    `aimo2_validation`, of which those problems are a part.
    """
    return _NAMES.get(re.sub(r"[^a-z0-9]", "", name.lower().removesuffix(".jsonl")))


def find_published(set_name: str, model: str | None = None, token_budget: int | None = None) -> list[PublishedRow]:
    """The published rows of a set, in the authors' order; empty for a set about which nothing was published.

    Args:
        set_name: the set, as `normalise_set_name` reads it.
        model: one of the published models, by its whole name; None gives all.
        token_budget: a budget that is called the same, such as 32768 or 32000 for 32k; None gives all.
    """
    wanted = normalise_set_name(set_name)
    return [
        row
        for row in PUBLISHED
        if row.set_name == wanted
        and model in (None, row.model)
        and (token_budget is None or name_budget(token_budget) == name_budget(row.token_budget))
    ]


def name_budget(tokens: int) -> str:
    """What a token budget is called.

    Example: 32768 and 32000 are `32k`, 12800 is `12.8k`, and 256 is `256`.
    """
    if tokens < 1000:
        return str(tokens)
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else f"{tokens / 1000:g}k"


def render_published(rows: Iterable[PublishedRow]) -> str:
    """Published rows as a markdown table that says so, under each set's name; empty where there are none."""
    tables = [
        _render_set(list(group)) for _, group in itertools.groupby(rows, key=lambda row: (row.set_name, row.source))
    ]
    return "\n\n".join(tables)


def _render_set(rows: list[PublishedRow]) -> str:
    first = rows[0]
    title = f"Published, not measured here ({first.source}): {first.set_name}, "
    title += f"{first.problems} problems x {first.n} samples"
    columns = [
        ("pass@1", [_show(row.pass_at_1, ".3f") for row in rows]),
        (f"majority@{first.k}", [_show(row.majority_at_k, ".3f") for row in rows]),
        (f"pass@{first.k}", [_show(row.pass_at_k, ".3f") for row in rows]),
        ("answers collected", [_show(row.answers_collected, "g", f" of {row.n}") for row in rows]),
        ("all tokens", [f"{row.mean_tokens:,.0f}" for row in rows]),
        ("leaderboard", [_show(row.leaderboard, "d", " of 50") for row in rows]),
    ]
    told = [(name, cells) for name, cells in columns if any(cells)]
    lines = [["model (published)", "token budget", *(name for name, _ in told)], [":--"] + ["--:"] * (len(told) + 1)]
    for place, row in enumerate(rows):
        lines.append([row.model, f"{row.token_budget:,}", *(cells[place] for _, cells in told)])
    return title + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _show(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"

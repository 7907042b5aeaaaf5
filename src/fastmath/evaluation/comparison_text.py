"""A comparison of two models in words and in markdown tables."""

from collections.abc import Mapping

from fastmath.evaluation.comparison import Difference, Differences

TOKENS = ("tokens", "reasoning_tokens")
"""Metrics that count tokens and are no shares."""
METRIC_NAMES: Mapping[str, str] = {
    "answers_collected": "share of samples with an answer",
    "tokens": "tokens a sample",
    "reasoning_tokens": "tokens of its reasoning",
}
"""Names in words of the metrics whose own are none."""


def describe(differences: Differences) -> list[str]:
    """A sentence per metric: what B changes against A, and whether that is shown.

    Examples: "pass@1 rises by 0.028 [0.007, 0.046]: shown."; "majority@16 falls by 0.020 [-0.040, -0.005]: shown, the
    majority is lost."; "pass@16 rises by 0.010 [-0.010, 0.030]: no difference is shown; about 340 more problems would
    decide it."
    """
    return [_describe(name, difference) for name, difference in differences.items()]


def _describe(name: str, found: Difference) -> str:
    label = METRIC_NAMES.get(name, name)
    plural = "" if name in TOKENS else "s"
    interval = f"[{_write(name, found.low)}, {_write(name, found.high)}]"
    if found.difference == 0:
        return f"{label} move{plural} by nothing {interval}: no difference is shown."
    verb = "rise" if found.difference > 0 else "fall"
    change = f"{label} {verb}{plural} by {_write(name, abs(found.difference))} {interval}"
    if found.is_shown:
        lost = ", the majority is lost" if name.startswith("majority@") and found.difference < 0 else ""
        return f"{change}: shown{lost}."
    more = f"about {found.more_problems:,} more problem{'s' * (found.more_problems != 1)} would decide it"
    return f"{change}: no difference is shown; {more}."


def render_table(differences: Differences) -> str:
    """The differences as a markdown table, one row per metric."""
    rows = [("metric", "B - A", "95 % interval", "problems", "more problems wanted"), (":--", *["--:"] * 4)]
    for name, found in differences.items():
        interval = f"[{_write(name, found.low)}, {_write(name, found.high)}]"
        more = "–" if found.more_problems is None else f"{found.more_problems:,}"
        rows.append((name, _write(name, found.difference, "+"), interval, f"{found.problems:,}", more))
    return _render(rows)


def render_groups_table(kind: str, groups: Mapping[str, Differences]) -> str:
    """The differences of the groups of one kind as a markdown table, one row per group; a shown one stands in bold."""
    metrics = list(next(iter(groups.values())))
    rows = [(kind, "problems", *metrics), (":--", *["--:"] * (len(metrics) + 1))]
    for value, differences in groups.items():
        cells = [write_cell(name, found) for name, found in differences.items()]
        rows.append((value, f"{next(iter(differences.values())).problems:,}", *cells))
    return _render(rows)


def _render(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_cell(name: str, found: Difference) -> str:
    """A difference of a metric with its interval, in bold where this excludes 0."""
    text = f"{_write(name, found.difference, '+')} [{_write(name, found.low)}, {_write(name, found.high)}]"
    return f"**{text}**" if found.is_shown else text


def _write(name: str, value: float, sign: str = "") -> str:
    """A figure with its decimals: one for tokens, three for shares; 0 has no sign."""
    decimals = 1 if name in TOKENS else 3
    return f"{round(value, decimals) + 0.0:{sign},.{decimals}f}"

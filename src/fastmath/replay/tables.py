"""Text of replays for people: what one rule reaches, and rules side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastmath.replay.draws import OURS
from fastmath.replay.votes import Recording

Row = Mapping[str, Any]


def describe_recordings(recordings: Sequence[Recording]) -> str:
    """What was replayed, and what has to be known about it."""
    models = len({recording.model for recording in recordings})
    fewest = min(len(recording.samples) for recording in recordings)
    together = "" if models == 1 else "; all figures are of all models together, --model takes one"
    return f"{len(recordings)} recorded questions of {models} models, at least {fewest} samples each{together}"


def describe_row(row: Row) -> str:
    """The figures of one rule, one a line."""
    return "\n".join(
        f"{name:<16} {_list(value) if isinstance(value, Mapping) else value}" for name, value in row.items()
    )


def _list(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())


def render_contests(rows: Sequence[Row]) -> str:
    """Scores by rule and limit as Markdown; behind each score what our rule has above it in the same contests."""
    limits = list(dict.fromkeys(row["limit"] for row in rows))
    lines = ["| rule | " + " | ".join(map(str, limits)) + " |", "|---|" + "---|" * len(limits)]
    for policy in dict.fromkeys(row["policy"] for row in rows):
        cells = [_score(row) for row in rows if row["policy"] == policy]
        lines.append(f"| {policy} | " + " | ".join(cells) + " |")
    ours = f"; in brackets what {OURS} has above it, with its 95 % interval" if "gain" in rows[0] else ""
    return "\n".join([f"right answers by limit, of {rows[0]['contests']} contests{ours}", "", *lines])


def _score(row: Row) -> str:
    if "gain" not in row or row["policy"] == OURS:
        return f"{row['score']:.2f}"
    return f"{row['score']:.2f} ({row['gain']:+.2f} [{row['gain_low']:+.2f}, {row['gain_high']:+.2f}])"


def render_questions(rows: Sequence[Row]) -> str:
    """Accuracy by rule as Markdown, and what it costs as parts of the full vote's."""
    lines = [
        f"{rows[0]['questions']} questions, {rows[0]['n']} samples at most; points against the full vote",
        "",
        "| rule | accuracy | points | tokens | wall time |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        points = f"{row['points']:+.2f} [{row['points_low']:+.2f}, {row['points_high']:+.2f}]"
        lines.append(
            f"| {row['policy']} | {row['accuracy']:.4f} | {points} | {row['tokens_ratio']:.3f} | "
            f"{row['wall_ratio']:.3f} |"
        )
    return "\n".join(lines)

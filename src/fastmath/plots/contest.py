"""The contest report: per question its time, stop reason, votes and tokens, and the time bank of the whole contest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fastmath.plots.style import GRID, INK, MUTED, PALETTE, STYLE

Record = Mapping[str, Any]
"""One line of the kernel's journal, with the fields of `fastmath.kernel.journal.QuestionRecord`."""

_RIGHT, _WRONG, _UNKNOWN = INK, "#d1495b", MUTED
_LINE = "#c3c8d2"
_BAR = 0.62


def plot_contest(records: Sequence[Record], limit: float, answers: Mapping[str, int] | None = None) -> Figure:
    """A timeline of the contest's questions, and the time bank below it.

    Each question is a bar from the call of `predict` to the answer, coloured by its stop reason. The thin line behind
    it is the time that it was allotted: it ends at the deadline and has a tick at the question's even share. To the
    right of the bar are the answer, the votes (the most frequent first) and the tokens.

    Args:
        records: records of the journal, in the order in which the questions were answered.
        limit: time limit of the contest, in seconds.
        answers: id of a question → correct answer, where it is known; wrong answers are then drawn in red.
    """
    reasons = [reason for reason, _ in Counter(record["reason"] for record in records).most_common()]
    colours = dict(zip(reasons, [*PALETTE, INK, MUTED], strict=False))
    with plt.rc_context(STYLE):
        height = 1.5 + 0.165 * len(records)
        figure, (timeline, bank) = plt.subplots(
            2, 1, figsize=(12, height + 1.8), sharex=True, height_ratios=[height, 1.8]
        )
        _draw_timeline(timeline, records, limit, answers or {}, colours)
        _draw_bank(bank, records, limit)
        patches = [Patch(color=colours[reason], label=f"{reason} ({_count(records, reason)})") for reason in reasons]
        patches.append(Line2D([], [], color=_LINE, linewidth=1.5, label="allotted, up to its deadline"))
        patches.append(Line2D([], [], color=INK, marker="|", markersize=9, linestyle="", label="its even share"))
        figure.legend(
            handles=patches, loc="outside lower center", ncols=min(len(patches), 6), title="stopped by, and how many"
        )
    return figure


def read_answers(path: Path) -> dict[str, int]:
    """Id of a question → correct answer, from a contest's CSV; empty if there is no such file or it has no answers."""
    if not path.exists():
        return {}
    asked = pl.read_csv(path, schema_overrides={"id": pl.String})
    return dict(asked.select("id", "answer").drop_nulls().iter_rows()) if "answer" in asked.columns else {}


def tabulate_contest(records: Sequence[Record], answers: Mapping[str, int] | None = None) -> pl.DataFrame:
    """A table of one row per question: answer, votes, stop reason, tokens, seconds and time bank.

    Args:
        records: records of the journal, in the order in which the questions were answered.
        answers: id of a question → correct answer; a question without one gets None in the column `right`.
    """
    known = answers or {}
    return pl.DataFrame(
        {
            "order": range(1, len(records) + 1),
            "id": [record["id"] for record in records],
            "answer": [record["answer"] for record in records],
            "right": [is_right(record, known) for record in records],
            "votes": [describe_votes(record["votes"]) for record in records],
            "samples": [record["samples"] for record in records],
            "stopped by": [record["reason"] for record in records],
            "tokens": [record["tokens"] for record in records],
            "seconds": [record["seconds"] for record in records],
            "share (s)": [record["share_seconds"] for record in records],
            "bank (s)": [record.get("bank_seconds") for record in records],
            "error": [record["error"] for record in records],
        },
        schema_overrides={"right": pl.Boolean, "error": pl.String},
    )


def describe_votes(votes: Sequence[int]) -> str:
    """The votes counted by answer, the most frequent first; among equals the answer that was given first.

    Example: 3, 7, 7 gives `7×2 3`.
    """
    counted = Counter(votes).most_common()
    return " ".join(f"{answer}×{count}" if count > 1 else str(answer) for answer, count in counted)


def _draw_timeline(
    axis: Axes, records: Sequence[Record], limit: float, answers: Mapping[str, int], colours: Mapping[str, str]
) -> None:
    # The time axis ends with the limit or the last answer; the text goes to the right of it.
    edge = max([limit, *(record["elapsed_seconds"] for record in records)])
    for row, record in enumerate(records):
        end = record["elapsed_seconds"]
        began = end - record["seconds"]
        allotted = record.get("started_seconds", began)
        deadline = min(allotted + record["deadline_seconds"], edge)
        axis.plot([allotted, deadline], [row, row], color=_LINE, linewidth=1.1, zorder=1)
        share = allotted + record["share_seconds"]
        axis.plot([share, share], [row - 0.3, row + 0.3], color=INK, linewidth=1.1, zorder=4)
        width = max(end - began, edge / 800)
        axis.barh(row, width, left=began, height=_BAR, color=colours[record["reason"]], zorder=3)
        right = is_right(record, answers)
        colour = _UNKNOWN if right is None else _RIGHT if right else _WRONG
        axis.text(
            1.01,
            row,
            str(record["answer"]),
            transform=axis.get_yaxis_transform(),
            va="center",
            fontsize=7.5,
            color=colour,
            fontweight="bold",
        )
        votes = describe_votes(record["votes"]) or "no votes"
        shown = votes if len(votes) <= 34 else f"{votes[:33]}…"
        note = f"{shown}  ·  {record['tokens']:,} tok"
        axis.text(1.06, row, note, transform=axis.get_yaxis_transform(), va="center", fontsize=7, color=MUTED)
    axis.axvline(limit, color=INK, linewidth=1.2, linestyle="--", zorder=2)
    axis.set_yticks(range(len(records)), [record["id"] for record in records], fontsize=6.5)
    axis.set_ylim(len(records) - 0.4, -0.6)
    axis.set_xlim(0, edge * 1.005)
    axis.grid(axis="y", visible=False)
    axis.set_title(_headline(records, limit, answers))
    axis.text(1.01, 1.006, "answer, votes, tokens", transform=axis.transAxes, fontsize=7.5, color=MUTED, va="bottom")


def _draw_bank(axis: Axes, records: Sequence[Record], limit: float) -> None:
    ends = [0.0, *(record["elapsed_seconds"] for record in records)]
    bank = [0.0, *(record.get("bank_seconds") or 0.0 for record in records)]
    axis.plot(ends, bank, color=PALETTE[0], linewidth=1.6)
    axis.fill_between(ends, bank, 0, color=PALETTE[0], alpha=0.12, linewidth=0)
    axis.axhline(0, color=MUTED, linewidth=0.8)
    axis.axvline(limit, color=INK, linewidth=1.2, linestyle="--")
    axis.annotate(
        f" limit {limit:,.1f} s",
        (limit, 0.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 4),
        ha="right",
        textcoords="offset points",
        fontsize=7.5,
        color=INK,
    )
    axis.set_ylabel("time bank (s)")
    axis.set_xlabel("seconds of the contest")
    axis.grid(color=GRID)


def _headline(records: Sequence[Record], limit: float, answers: Mapping[str, int]) -> str:
    in_time = sum(record["elapsed_seconds"] <= limit for record in records)
    by_vote = sum(bool(record["votes"]) for record in records)
    parts = [f"{in_time} of {len(records)} questions answered in time", f"{by_vote} by a vote"]
    if answers:
        parts.append(f"{sum(is_right(record, answers) is True for record in records)} right")
    return ", ".join(parts)


def is_right(record: Record, answers: Mapping[str, int]) -> bool | None:
    """Whether a vote is right; a fallback never is. None where the answer is not known."""
    if record["id"] not in answers:
        return None
    return bool(record["votes"]) and record["answer"] == answers[record["id"]]


def _count(records: Sequence[Record], reason: str) -> int:
    return sum(record["reason"] == reason for record in records)

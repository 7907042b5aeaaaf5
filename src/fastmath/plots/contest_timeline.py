"""A contest's journal as interactive figures: the timeline of its questions, and the votes of each over time."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from fastmath.plots.contest import Record, describe_votes, is_right
from fastmath.plots.plotly_style import (
    COLOURS,
    CUT,
    EITHER,
    RIGHT,
    WRONG,
    Theme,
    fade,
    make_button_style,
    make_layout,
)

REASONS: Mapping[str, str] = {
    "posterior": "the leader is likely enough to stay ahead",
    "clock": "the leader has waited long enough for further votes",
    "agreement": "enough samples agree",
    "lead": "the leader is far enough ahead",
    "cannot be overtaken": "the samples that are left cannot change the leader",
    "unlikely to be overtaken": "the samples that are left are unlikely to change the leader",
    "all samples": "all samples have ended",
    "no votes": "all samples have ended, and none has an answer",
    "deadline": "the question's time was over",
    "error": "an error; the fallback was answered",
}
"""Why a question was answered, in words, by the journal's `reason`."""
Others = Mapping[str, Sequence[str]]
"""Id of a question → what other rules would have done with it, in lines of text."""
_ROW, _BANK, _PANEL, _LINE = 20, 150, 220, 14
"""Heights in pixels: of a question, of the time bank, of the votes over time, and of a line of text above them."""


def plot_contest_timeline(
    records: Sequence[Record], limit: float, answers: Mapping[str, int] | None = None, theme: Theme = EITHER
) -> go.Figure:
    """The questions of a contest over its seconds, and the time bank below.

    Each question is a bar from the call of `predict` to the answer, in the colour of what stopped it. The thin line is
    the time that it was allotted, up to its deadline, with a tick at its even share. Pointing at a bar tells the
    answer, the votes, the tokens and why it stopped; the legend shows and hides the questions by what stopped them.

    Args:
        records: records of the journal, in the order in which the questions were answered.
        limit: time limit of the contest, in seconds.
        answers: id of a question → correct answer, where it is known; symbols behind the bars say what was right.
        theme: colours of what is no data.
    """
    rows = [f"{place}. {record['id']}" for place, record in enumerate(records, start=1)]
    reasons = [reason for reason, _ in Counter(record["reason"] for record in records).most_common()]
    figure = go.Figure([_draw_allotments(records, rows, limit)])
    for place, reason in enumerate(reasons):
        own = [(row, record) for row, record in zip(rows, records, strict=True) if record["reason"] == reason]
        figure.add_trace(_draw_bars(reason, own, answers or {}, COLOURS[place % len(COLOURS)]))
    figure.add_traces(list(_draw_judgements(records, rows, answers or {})))
    figure.add_trace(_draw_bank(records))
    figure.update_layout(make_layout(theme))
    inner = _ROW * max(1, len(rows)) + 40 + _BANK
    edge = max([limit, *(record["elapsed_seconds"] for record in records)])
    figure.update_layout(
        height=inner + 130, barmode="overlay", hovermode="closest", uirevision="kept",
        xaxis={"title": {"text": "seconds of the contest"}, "anchor": "y2", "range": [0, edge * 1.02]},
        yaxis={"domain": [(_BANK + 40) / inner, 1], "range": [len(rows) - 0.4, -0.6], "type": "category",
               "categoryarray": rows, "tickfont": {"size": 10}, "showgrid": False, "automargin": True, "dtick": 1},
        yaxis2={"domain": [0, _BANK / inner], "title": {"text": "time bank (s)"}, "zeroline": True},
        shapes=[{"type": "line", "x0": limit, "x1": limit, "y0": 0, "y1": 1, "xref": "x", "yref": "paper",
                 "line": {"color": theme.ink, "dash": "dash", "width": 1.2}}],
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "title": {"text": "stopped by "}},
    )  # fmt: skip
    return figure


def name_reason(reason: str) -> str:
    """A reason of the journal or of a policy in words."""
    return REASONS.get(reason, f"the policy's rule “{reason}” held")


def _draw_bank(records: Sequence[Record]) -> go.Scatter:
    """The seconds saved so far compared with an even share per question, after each answer."""
    return go.Scatter(
        x=[0.0, *(record["elapsed_seconds"] for record in records)],
        y=[0.0, *(record.get("bank_seconds") or 0.0 for record in records)],
        xaxis="x", yaxis="y2", mode="lines", line={"color": COLOURS[0], "width": 1.6}, fill="tozeroy",
        fillcolor=fade(COLOURS[0], 0.13), showlegend=False, name="time bank", meta={"of": "bank"},
        hovertemplate="after %{x:,.1f} s the bank holds %{y:,.1f} s<extra></extra>",
    )  # fmt: skip


def _draw_allotments(records: Sequence[Record], rows: Sequence[str], limit: float) -> go.Scatter:
    """A line from each question's start to its deadline with a symbol at its even share."""
    xs: list[float | None] = []
    for record in records:
        began = record.get("started_seconds", record["elapsed_seconds"] - record["seconds"])
        deadline = max(began, min(began + record["deadline_seconds"], limit))
        xs += [began, min(began + record["share_seconds"], deadline), deadline, None]
    return go.Scatter(
        x=xs, y=[row for row in rows for _ in range(4)], mode="lines+markers", line={"color": CUT, "width": 1},
        marker={"symbol": "line-ns-open", "size": [0, 9, 0, 0] * len(rows), "color": CUT}, hoverinfo="skip",
        name="allotted, with its even share", meta={"of": "allotted"},
    )  # fmt: skip


def _draw_bars(reason: str, own: Sequence[tuple[str, Record]], answers: Mapping[str, int], colour: str) -> go.Bar:
    return go.Bar(
        y=[row for row, _ in own], x=[record["seconds"] for _, record in own], orientation="h", width=0.62,
        base=[record["elapsed_seconds"] - record["seconds"] for _, record in own],
        name=f"{reason} ({len(own)})", marker={"color": colour}, meta={"of": "questions", "reason": reason},
        hovertext=[describe_question(record, answers) for _, record in own],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def describe_question(record: Record, answers: Mapping[str, int]) -> str:
    """What is told of a question: its answer and whether that is right, its votes, time and tokens, and why it stopped.

    Args:
        record: its record of the journal.
        answers: id of a question → correct answer, where it is known.
    """
    right = is_right(record, answers)
    judged = "" if right is None else ", right" if right else f", wrong (gold {answers[record['id']]})"
    lines = [
        f"<b>{html.escape(str(record['id']))}</b>: answer {record['answer']}{judged}",
        f"votes: {describe_votes(record['votes']) or 'none'} ({len(record['votes'])} of {record['samples']} samples)",
        f"{record['seconds']:,.2f} s of {record['share_seconds']:,.2f} s even share, {record['tokens']:,} tokens",
        f"stopped by {html.escape(record['reason'])}: {html.escape(name_reason(record['reason']), quote=False)}",
    ]
    if record.get("error"):
        lines.append(f"error: {html.escape(record['error'][:200])}")
    return "<br>".join(lines)


def _draw_judgements(
    records: Sequence[Record], rows: Sequence[str], answers: Mapping[str, int]
) -> Iterator[go.Scatter]:
    """A symbol at the end of each bar whose answer is known to be right or wrong."""
    looks = {True: ("circle", RIGHT, "right"), False: ("x", WRONG, "wrong")}
    for kind, (symbol, colour, name) in looks.items():
        own = [(row, record) for row, record in zip(rows, records, strict=True) if is_right(record, answers) is kind]
        if own:
            yield go.Scatter(
                x=[record["elapsed_seconds"] for _, record in own], y=[row for row, _ in own], mode="markers",
                marker={"symbol": symbol, "color": colour, "size": 8, "line": {"color": "#ffffff", "width": 1}},
                name=f"{name} ({len(own)})", hovertext=[describe_question(record, answers) for _, record in own],
                hovertemplate="%{hovertext}<extra></extra>", meta={"of": name},
            )  # fmt: skip


def plot_votes(
    records: Sequence[Record],
    answers: Mapping[str, int] | None = None,
    theme: Theme = EITHER,
    others: Others | None = None,
) -> go.Figure:
    """The votes of one question over its time, a line an answer, with why it stopped; a menu chooses the question.

    Args:
        records: records of the journal, in the order in which the questions were answered; in those of earlier
            versions votes have no times, and are counted by their number instead.
        answers: id of a question → correct answer, where it is known.
        theme: colours of what is no data.
        others: lines on what other rules would have done, which stand below the question's own.
    """
    figure = go.Figure()
    owners: list[int] = []
    for place, record in enumerate(records):
        traces = list(_draw_votes(record, answers or {}, visible=place == 0))
        figure.add_traces(traces)
        owners += [place] * len(traces)
    buttons = [
        {
            "label": f"{place + 1}. {record['id']}: {record['reason']}",
            "method": "update",
            "args": [
                {"visible": [owner == place for owner in owners]},
                _describe_end(record, answers or {}, theme, others or {}),
            ],
        }
        for place, record in enumerate(records)
    ]
    top = 50 + _LINE * (6 + max((len(lines) for lines in (others or {}).values()), default=0))
    figure.update_layout(make_layout(theme))
    figure.update_layout(
        height=top + _PANEL + 48, hovermode="closest", xaxis={"rangemode": "tozero"},
        yaxis={"title": {"text": "votes"}, "rangemode": "tozero", "dtick": 1}, showlegend=True,
        legend={"title": {"text": "answer"}}, margin={"t": top},
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1 + (top - 6) / _PANEL, "yanchor": "top",
                      "showactive": True, **make_button_style(theme)}] if buttons else [],
    )  # fmt: skip
    if records:
        figure.update_layout(_describe_end(records[0], answers or {}, theme, others or {}))
    return figure


def list_vote_times(record: Record) -> list[float]:
    """Seconds of each vote since the question's time began; their numbers where the journal has no times."""
    times = record.get("vote_seconds") or []
    if len(times) < len(record["votes"]):
        return [float(number) for number in range(1, len(record["votes"]) + 1)]
    return [at - record.get("started_seconds", 0.0) for at in times[: len(record["votes"])]]


def _draw_votes(record: Record, answers: Mapping[str, int], *, visible: bool) -> Iterator[go.Scatter]:
    times = list_vote_times(record)
    order = [answer for answer, _ in Counter(record["votes"]).most_common()]
    for place, answer in enumerate(order):
        own = [at for at, vote in zip(times, record["votes"], strict=True) if vote == answer]
        right = answers.get(record["id"]) == answer
        yield go.Scatter(
            x=[0.0, *own], y=list(range(len(own) + 1)), mode="lines+markers", visible=visible,
            line={"shape": "hv", "width": 2, "color": COLOURS[place % len(COLOURS)]},
            marker={"size": [0, *[8] * len(own)], "symbol": "star" if right else "circle"},
            name=f"{answer}{' (right)' if right else ''}", meta={"question": record["id"], "answer": answer},
            hovertemplate=f"answer {answer}: vote %{{y}} at %{{x:,.2f}}<extra></extra>",
        )  # fmt: skip


def _describe_end(record: Record, answers: Mapping[str, int], theme: Theme, others: Others) -> dict[str, Any]:
    """What of the layout belongs to one question: its description, and a line where it was answered."""
    timed = bool(record.get("vote_seconds"))
    told = [
        describe_question(record, answers),
        *(html.escape(line, quote=False) for line in others.get(record["id"], ())),
    ]
    end = record["elapsed_seconds"] - record.get("started_seconds", 0.0)
    line = {"type": "line", "x0": end, "x1": end, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
    return {
        "shapes": [line | {"line": {"color": theme.ink, "dash": "dot", "width": 1.2}}] if timed else [],
        "xaxis.title.text": "seconds of the question" if timed else "number of the vote (the journal has no times)",
        "annotations": [
            {"text": "<br>".join(told), "x": 0, "y": 1.02, "xref": "paper", "yref": "paper",
             "xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False, "font": {"size": 11}}
        ],
    }  # fmt: skip

"""Traces of models as HTML: all model text is escaped, boxes are marked, and re-checks are shown in grey."""

import html
from collections.abc import Sequence

import polars

from fastmath.answers.extract import find_box
from fastmath.plots.style import MUTED
from fastmath.prompts import THINK_END

MARKED_WORDS = ("wait", "check", "again")
"""Words at the start of a line that mark a re-check; such lines are grey, because a shorter trace could omit them."""
_BOX = "background:rgba(230,159,0,0.35); color:inherit; border-radius:3px"


def render_trace(problem: str, trace: str, facts: str = "") -> str:
    """A problem, some facts about its trace in small print (empty for none), and the trace, as HTML."""
    noted = f"<br><small>{html.escape(facts)}</small>" if facts else ""
    return f"<p><b>{html.escape(problem)}</b>{noted}</p>{render_text(trace)}"


def render_text(trace: str) -> str:
    """A trace as HTML, in which the box that is read before `</think>`, and the one behind it, are marked."""
    boxes = find_boxes(trace)
    lines, start = [], 0
    for line in trace.splitlines(keepends=True):
        marked = _mark(line, [(first - start, last - start) for first, last in boxes])
        colour = MUTED if line.startswith(MARKED_WORDS) else "inherit"
        lines.append(f'<span style="color:{colour}">{marked}</span>')
        start += len(line)
    return f'<pre style="line-height:1.3; white-space:pre-wrap; overflow-wrap:anywhere">{"".join(lines)}</pre>'


def find_boxes(trace: str) -> list[tuple[int, int]]:
    """Where the contents of the boxes begin and end that may be read as the answer: before and behind `</think>`."""
    reasoning, _, rest = trace.partition(THINK_END)
    behind = len(trace) - len(rest)
    found = [(find_box(reasoning), 0), (find_box(rest), behind)]
    return [(span[0] + offset, span[1] + offset) for span, offset in found if span is not None]


def _mark(line: str, boxes: Sequence[tuple[int, int]]) -> str:
    """A line, escaped, with what of it lies in a box marked; `boxes` are places in the line, which may lie outside."""
    parts, done = [], 0
    for first, last in boxes:
        first, last = max(done, first), min(len(line), last)
        if first < last:
            inside = f'<mark style="{_BOX}">{html.escape(line[first:last])}</mark>'
            parts += [html.escape(line[done:first]), inside]
            done = last
    return "".join([*parts, html.escape(line[done:])])


def render_samples(samples: polars.DataFrame, problems: polars.DataFrame, count: int = 3) -> str:
    """The first sample of each of the first `count` problems as HTML, with its answer and whether that is correct.

    Args:
        samples: table of `fastmath.sampling.samples.SAMPLE_SCHEMA`.
        problems: table of `id, problem, answer`.
        count: number of problems to show.
    """
    first = samples.filter(polars.col("sample") == 0).join(
        problems.select("id", "problem", gold="answer"), left_on="problem_id", right_on="id", maintain_order="left"
    )
    blocks = []
    for row in first.head(count).iter_rows(named=True):
        judged = "correct" if row["correct"] else "wrong"
        answer = "no answer" if row["answer"] is None else f"answer {row['answer']}"
        facts = f"{answer} ({judged}, gold {row['gold']}), {row['tokens']} tokens, ended by {row['finish_reason']}"
        blocks.append(render_trace(row["problem"], row["text"], facts))
    return "\n".join(blocks)

"""Traces of models as HTML for a notebook: all model text is escaped, and re-checks are shown in grey."""

import html

import polars

from fastmath.plots.style import MUTED

MARKED_WORDS = ("wait", "check", "again")
"""Words at the start of a line that mark a re-check; such lines are grey, because a shorter trace could omit them."""


def render_trace(problem: str, trace: str, facts: str = "") -> str:
    """A problem, some facts about its trace in small print (empty for none), and the trace, as HTML."""
    lines = []
    for line in trace.splitlines():
        colour = MUTED if line.startswith(MARKED_WORDS) else "inherit"
        lines.append(f'<span style="color:{colour}">{html.escape(line)}</span>')
    body = "\n".join(lines)
    noted = f"<br><small>{html.escape(facts)}</small>" if facts else ""
    return (
        f'<p><b>{html.escape(problem)}</b>{noted}</p><pre style="line-height:1.3; white-space: pre-wrap">{body}</pre>'
    )


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

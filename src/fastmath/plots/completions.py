"""Logged completions of a training as HTML: what was asked, what was written, and what it earned."""

import html
from collections.abc import Sequence

from fastmath.plots.outcomes import OUTCOME_COLOURS
from fastmath.plots.traces import render_text
from fastmath.training.rollout_log import LoggedCompletion


def render_completions(completions: Sequence[LoggedCompletion]) -> str:
    """One block a completion, everything in it escaped."""
    return "\n".join(map(render_completion, completions))


def render_completion(completion: LoggedCompletion) -> str:
    """A completion with its problem, its outcome, its rewards and its boxes marked."""
    answer = "no answer" if completion.answer is None else f"answer {completion.answer}"
    rewards = [f"{name.replace('_', ' ')} {_write(value)}" for name, value in completion.rewards.items()]
    facts = [
        f"{answer}, gold {completion.gold}",
        f"{completion.tokens:,} tokens",
        f"reward {_write(completion.reward)} ({', '.join(rewards)})",
    ]
    outcome = f'<span style="color:{OUTCOME_COLOURS[completion.outcome]}; font-weight:bold">{completion.outcome}</span>'
    return (
        f'<div class="completion"><p><b>{html.escape(completion.problem)}</b><br>'
        f"<small>{outcome} · {html.escape(' · '.join(facts))}</small></p>{render_text(completion.text)}</div>"
    )


def _write(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"

"""What a time limit costs, by replay: right answers by vote against the limit, rule by rule, as figure and table."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastmath.plots.style import INK, MUTED, PALETTE, STYLE

Replay = Mapping[str, Any]
"""The fields of `fastmath.replay.limits.LimitReplay`, as JSON has them; the first of its `rules` is the kernel's."""
Contest = Mapping[str, Any]
"""A contest's report, of `fastmath.contest.report.summarize`."""

LABELS = {
    "full": "full vote, same clock",
    "full, no clock": "full vote, no clock",
    "nemoskills": "NemoSkills (AIMO2, 1st)",
    "aimo3": "AIMO3's public kernels",
}
"""Names of the rules in figures and tables; others stand under their own."""
KERNEL = "this kernel"


def plot_limits(replay: Replay, contest: Contest | None = None) -> Figure:
    """Right answers by vote against the limit, with 95 % bands over problems.

    Args:
        replay: the replay.
        contest: report of the contest that was played, which becomes a point, and its full votes on the same clock
            another; None for no such contest, or one whose limit is no share of measured full votes.
    """
    share = None if contest is None else find_share(contest)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(9.5, 5))
        for index, (name, points) in enumerate(replay["rules"].items()):
            _draw_rule(axis, KERNEL if index == 0 else LABELS.get(name, name), points, index)
        axis.axhline(
            replay["unlimited"]["value"], color=MUTED, linewidth=1.2, linestyle="--", label=LABELS["full, no clock"]
        )
        if contest is not None and share is not None:
            _draw_contest(axis, contest, share)
        axis.set_xlabel("time limit, as a share of what full votes take")
        axis.set_ylabel(f"right answers by vote, of {replay['questions']}")
        axis.set_xticks([point["limit"] for point in _kernel_points(replay)])
        axis.set_ylim(-0.02 * replay["questions"], 1.04 * replay["questions"])
        axis.set_title(_headline(replay, share))
        figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    return figure


def tabulate_limits(replay: Replay) -> pl.DataFrame:
    """A row a limit: right answers by vote of each rule, what the kernel gains over full votes, and its tokens.

    Estimates stand with their 95 % intervals over problems; the gains are paired by problem. Tokens are a share of
    those of full votes without a clock.
    """
    kernel = _kernel_points(replay)
    names = list(replay["rules"])
    columns = {"limit": [f"{point['limit']:.1f}" for point in kernel]}
    for index, name in enumerate(names):
        label = KERNEL if index == 0 else LABELS.get(name, name)
        columns[label] = [_cell(point["right"]) for point in replay["rules"][name]]
    for name in ("full", "full, no clock"):
        if name in replay["gains"]:
            columns[f"gain over {LABELS[name]}"] = [_cell(gain, sign="+") for gain in replay["gains"][name]]
    columns[f"{KERNEL}: by a vote"] = [f"{point['by_vote']:.1f}" for point in kernel]
    columns[f"{KERNEL}: tokens"] = [f"{point['tokens_share']:.0%}" for point in kernel]
    return pl.DataFrame(columns)


def describe_limits(replay: Replay, contest: Contest) -> str:
    """What the replay shows at the limit of a contest, in words; at its largest limit if the contest's is no share."""
    place = _find_place(replay, find_share(contest))
    point, gains = _kernel_points(replay)[place], replay["gains"]
    questions, problems = f"{replay['questions']} questions", f"{replay['problems']} problems"
    words = [
        f"Replayed: {replay['contests']} contests of {questions}, from {problems} of {replay['samples']} samples. "
        f"Within {point['limit']:g} of the time that full votes take this kernel answers {point['by_vote']:.1f} by a "
        f"vote, {_cell(point['right'])} of them right, with {point['tokens_share']:.0%} of the tokens."
    ]
    if "full" in gains:
        full, gain = replay["rules"]["full"][place]["right"], gains["full"][place]
        words.append(
            f"The full vote on the same clock has {_cell(full)} right; the gain over it is {_cell(gain, '+')}."
        )
    full, gain = replay["unlimited"], gains["full, no clock"][place]
    words.append(f"Without a clock the full vote has {_cell(full)} right; the gain over it is {_cell(gain, '+')}.")
    return " ".join(words)


def find_share(contest: Contest) -> float | None:
    """A contest's limit as a share of what its full votes took; None where they were not measured."""
    full = contest["seconds_full_vote"]
    return contest["limit_seconds"] / full if full else None


def _draw_rule(axis: Axes, label: str, points: Sequence[Mapping[str, Any]], index: int) -> None:
    limits = [point["limit"] for point in points]
    value, low, high = (np.array([point["right"][end] for point in points]) for end in ("value", "low", "high"))
    colour = PALETTE[index % len(PALETTE)]
    axis.fill_between(limits, low, high, color=colour, alpha=0.15, linewidth=0)
    width, above = (2.8, 4) if index == 0 else (1.6, 3)  # the kernel's own line lies above the others
    axis.plot(
        limits, value, color=colour, linewidth=width, marker="o", markersize=width + 1.5, zorder=above, label=label
    )


def _draw_contest(axis: Axes, contest: Contest, share: float) -> None:
    same_clock = contest.get("full_vote_same_clock")
    played = [("contest played here", contest["right_by_vote"], PALETTE[0])]
    if same_clock is not None:
        played.append(("full vote played here", same_clock["right_by_vote"], PALETTE[1]))
    for label, right, colour in played:
        if right is not None:
            axis.plot(
                [share], [right], color=colour, marker="D", markersize=9, markeredgecolor=INK, linestyle="",
                zorder=5, label=label,
            )  # fmt: skip


def _headline(replay: Replay, share: float | None) -> str:
    place = _find_place(replay, share)
    shown = {name: points[place]["right"]["value"] for name, points in replay["rules"].items()}
    named = [f"{KERNEL} {next(iter(shown.values())):.1f}"]
    named += [f"{LABELS['full']} {shown['full']:.1f}"] if "full" in shown else []
    limit = _kernel_points(replay)[place]["limit"]
    return f"Right by vote at {limit:g} of the time, of {replay['questions']} questions: {' · '.join(named)}"


def _find_place(replay: Replay, share: float | None) -> int:
    """Which of the limits is nearest to this share; the last one for None."""
    limits = [point["limit"] for point in _kernel_points(replay)]
    return len(limits) - 1 if share is None else min(range(len(limits)), key=lambda place: abs(limits[place] - share))


def _kernel_points(replay: Replay) -> Sequence[Mapping[str, Any]]:
    return next(iter(replay["rules"].values()))


def _cell(estimate: Mapping[str, float], sign: str = "") -> str:
    value, low, high = (f"{estimate[name]:{sign}.1f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"

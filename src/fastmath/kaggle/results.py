"""The tables and figures of a contest that is not scored: what was played, and what its run's recorded votes replay."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.contests import CONTESTS
from fastmath.contest.policy import find_policy
from fastmath.evaluation.models import name_last_model
from fastmath.evaluation.report import is_evaluated
from fastmath.kaggle.showing import LIMITS_FIGURE, LIMITS_TABLE, TIMELINE_FIGURE, VOTES_FIGURE
from fastmath.kernel.journal import JOURNAL, read_records
from fastmath.plots.contest import plot_contest, read_answers, tabulate_contest
from fastmath.plots.contest_timeline import name_reason, plot_contest_timeline, plot_votes
from fastmath.plots.limits import describe_limits, plot_limits, tabulate_limits
from fastmath.plots.plotly_style import make_bundle
from fastmath.plots.style import save_figure
from fastmath.replay.limits import LimitReplay, LimitSetting, replay_limits
from fastmath.replay.other_rules import OtherRules, RuleOutcome, read_recordings
from fastmath.replay.votes import VotesFileError, read_votes
from fastmath.runs.files import write_json
from fastmath.runs.stage import Stage

logger = logging.getLogger(__name__)

VOTES = "votes.jsonl"
CONTEST_TABLE, CONTEST_FIGURE = "contest.md", "contest.png"
SLOWER = 0.8
"""Pace of the full votes on the clock, as a share of those that set the limit, below which the machine was shared."""


def draw_contest(stage: Stage) -> None:
    """Write the tables and figures of a contest beside its report, and add the replay to the report.

    The report's `replay` has the fields of `fastmath.replay.limits.LimitReplay`; it is None where there was nothing to
    replay, and then the reason stands in place of the table.
    """
    path = stage.folder / "report.json"
    report = json.loads(path.read_text())
    try:
        report["replay"] = asdict(replay_votes(stage, report["questions"]))
    except VotesFileError as error:
        logger.info("nothing is replayed: %s", error)
        report["replay"] = None
        _write_markdown(stage.folder / LIMITS_TABLE, f"Nothing is replayed: {error}.")
        (stage.folder / LIMITS_FIGURE).unlink(missing_ok=True)  # an earlier contest's
    else:
        told, table = describe_limits(report["replay"], report), tabulate_limits(report["replay"])
        _write_markdown(stage.folder / LIMITS_TABLE, told, table)
        save_figure(plot_limits(report["replay"], report), stage.folder / LIMITS_FIGURE)
    records, answers = read_records(stage.folder / JOURNAL), read_answers(stage.folder / "questions.csv")
    tables = [compare_with_full_votes(report), tabulate_contest(records, answers)]
    _write_markdown(stage.folder / CONTEST_TABLE, *describe_pace(report), *tables)
    save_figure(plot_contest(records, report["limit_seconds"], answers), stage.folder / CONTEST_FIGURE)
    timeline = plot_contest_timeline(records, report["limit_seconds"], answers)
    votes = plot_votes(records, answers, others=ask_other_rules(stage, report, records, answers))
    write_json(stage.folder / TIMELINE_FIGURE, make_bundle(timeline))
    write_json(stage.folder / VOTES_FIGURE, make_bundle(votes))
    write_json(path, report)


def ask_other_rules(
    stage: Stage, report: Mapping[str, Any], records: Sequence[Mapping[str, Any]], answers: Mapping[str, int]
) -> dict[str, list[str]]:
    """What three other rules would have done with each question, a line a rule, where its samples are recorded."""
    recordings = read_recordings(stage.run_dir, stage.recipe, answers) if is_evaluated(stage) else {}
    others = OtherRules(stage.recipe.kernel, report, records, recordings)
    return {record["id"]: list(map(describe_outcome, others.ask(place))) for place, record in enumerate(records)}


def describe_outcome(outcome: RuleOutcome) -> str:
    """What a rule did with a question, in a line.

    Example: "aimo3 would have answered 12 (right) on 4 votes of 8 samples, 310 tokens: enough samples agree".
    """
    answer = f"{outcome.answer} ({'right' if outcome.right else 'wrong'})" if outcome.votes else "the fallback"
    drawn = f"{outcome.votes} votes of {outcome.samples} samples, {outcome.tokens:,} tokens"
    return f"{outcome.rule} would have answered {answer} on {drawn}: {name_reason(outcome.reason)}"


def replay_votes(stage: Stage, questions: int) -> LimitReplay:
    """Replay what the evaluation has recorded of the contest's model, by the rule and with the samples of the recipe.

    Args:
        stage: the stage `kernel` of a run.
        questions: number of questions of a contest.

    Raises:
        VotesFileError: the run's present models have not been evaluated, or on other questions or with fewer samples
            than the contest's.
    """
    if not is_evaluated(stage):
        raise VotesFileError("the samples of this model on these questions have not been recorded (stage `evaluate`)")
    settings = stage.recipe.kernel
    votes, model = stage.run_dir / "evaluate" / VOTES, name_last_model(stage.recipe)
    recordings = read_votes(votes, model, CONTESTS[settings.profile])
    setting = LimitSetting(settings.policy, questions, settings.samples, settings.slowdown, seed=stage.recipe.seed)
    return replay_limits(recordings, setting, find_policy(settings.policy, schedule=settings.schedule))


def compare_with_full_votes(report: Mapping[str, Any]) -> pl.DataFrame:
    """The kernel against full votes on the same questions, on its clock and without one, from a contest's report."""
    rows = {"this kernel": report}
    if report.get("full_vote_same_clock"):
        rows["full vote, same clock"] = report["full_vote_same_clock"] | {"limit_seconds": report["limit_seconds"]}
    if report["seconds_full_vote"]:
        full = {"right_by_vote": "correct_full_vote", "tokens": "tokens_full_vote", "seconds": "seconds_full_vote"}
        rows["full vote, no clock"] = {name: report[theirs] for name, theirs in full.items()}
    columns = {
        "in time": "answered",
        "by vote": "by_vote",
        "by fallback": "by_fallback",
        "right by vote": "right_by_vote",
        "tokens": "tokens",
        "seconds": "seconds",
        "limit in seconds": "limit_seconds",
    }
    figures = {title: [row.get(name) for row in rows.values()] for title, name in columns.items()}
    return pl.DataFrame({"": list(rows), "questions": [report["questions"]] * len(rows), **figures}, strict=False)


def describe_pace(report: Mapping[str, Any]) -> list[str]:
    """A sentence where the engine has become slower since the limit was set, and so the limit tighter than it says.

    Full votes on a clock are cut off while all samples run, which is no slower by the token than to let them end.

    Example: 1,957 tokens a second while the limit was measured and 1,380 on the clock, a share of 0.71.
    """
    votes = report.get("full_vote_same_clock")
    if not votes:
        return []
    before, after = report["tokens_full_vote"] / report["seconds_full_vote"], votes["tokens"] / votes["seconds"]
    if after >= SLOWER * before:
        return []
    return [
        f"The engine drew {before:,.0f} tokens a second in the full votes that set the limit and {after:,.0f} in those "
        "on the clock: something else was using the machine. The limit was tighter than it says; the replay is not."
    ]


def _write_markdown(path: Path, *parts: str | pl.DataFrame) -> None:
    """Write paragraphs and tables as Markdown."""
    as_markdown = {"tbl_formatting": "MARKDOWN", "tbl_hide_column_data_types": True, "tbl_hide_dataframe_shape": True}
    with pl.Config(tbl_rows=-1, tbl_cols=-1, fmt_str_lengths=40, tbl_width_chars=-1, **as_markdown):
        texts = [
            part if isinstance(part, str) else str(part.select(pl.all().cast(pl.String).fill_null("")))
            for part in parts
        ]
    path.write_text("\n\n".join(texts) + "\n")

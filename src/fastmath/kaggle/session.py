"""The process of every contest that is not scored: it plays it, and draws what the notebook shows.

`fastmath.kaggle.installation.play_contest` starts it with the notebook's parameters in a JSON file, to which it adds
the folder of the results:

    python -m fastmath.kaggle.session contest.json
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.contest.assembly import JOURNAL
from fastmath.contest.inputs import begin_contest
from fastmath.contest.questions import GatewayError
from fastmath.contest.report import EmptyContestError
from fastmath.contest.serving import open_contest, play_contest
from fastmath.kernel.journal import read_records
from fastmath.recipe.errors import SettingsError
from fastmath.runs.model_folder import ModelFolderError
from fastmath.runs.stage import MissingStageError, OtherSettingsError, Stage

TABLES, FIGURE = "contest.md", "contest.png"
FAILURES = (EmptyContestError, GatewayError, MissingStageError, ModelFolderError, OtherSettingsError, SettingsError)
"""Errors whose message says all: their traceback is left out."""

logger = logging.getLogger(__name__)


def play(contest: dict[str, Any]) -> Path:
    """Play the contest of a notebook's parameters, unless it is there already, and draw it; returns its folder."""
    inputs, force, questions = Path(contest["inputs"]), contest["force"], contest["questions"]
    stage = open_contest(contest["recipe"], contest["run_dir"], contest["overrides"], inputs, force, questions)
    if force or not stage.is_current():
        with stage.running(force):
            play_contest(stage, questions, inputs, contest["started"])
    else:
        logger.info("nothing has changed since this contest was played: %s", stage.folder)
    show_contest(stage)
    return stage.folder


def show_contest(stage: Stage) -> None:
    """Write the contest's tables and its figure beside its report, and add it to the report of its run."""
    # Late: none of it may cost the contest.
    from fastmath.evaluation.report import refresh_report
    from fastmath.plots.contest import plot_contest, read_answers, tabulate_contest
    from fastmath.plots.style import save_figure

    report = json.loads((stage.folder / "report.json").read_text())
    records, answers = read_records(stage.folder / JOURNAL), read_answers(stage.folder / "questions.csv")
    tables = [compare_with_full_vote(report), tabulate_contest(records, answers)]
    tables = [table.select(pl.all().cast(pl.String).fill_null("")) for table in tables]
    as_markdown = {"tbl_formatting": "MARKDOWN", "tbl_hide_column_data_types": True, "tbl_hide_dataframe_shape": True}
    with pl.Config(tbl_rows=-1, tbl_cols=-1, fmt_str_lengths=40, tbl_width_chars=-1, **as_markdown):
        (stage.folder / TABLES).write_text("\n\n".join(map(str, tables)) + "\n")
    save_figure(plot_contest(records, report["limit_seconds"], answers), stage.folder / FIGURE)
    refresh_report(stage)


def compare_with_full_vote(report: dict[str, Any]) -> pl.DataFrame:
    """The kernel against the full vote on the same questions, from a contest's report."""
    return pl.DataFrame(
        {
            "": ["kernel", "full vote"],
            "questions": [report["questions"]] * 2,
            "in time": [report["answered"], None],
            "by vote": [report["by_vote"], None],
            "by fallback": [report["by_fallback"], None],
            "right by vote": [report["right_by_vote"], report["correct_full_vote"]],
            "tokens": [report["tokens"], report["tokens_full_vote"]],
            "seconds": [report["seconds"], report["seconds_full_vote"]],
            "limit in seconds": [report["limit_seconds"], None],
        }
    )


def main() -> None:
    """Play the contest of the parameters in the file that the command line names."""
    order = Path(sys.argv[1])
    contest = begin_contest(order)
    try:
        folder = play(contest)
    except FAILURES as error:
        sys.exit(f"{type(error).__name__}: {error}")
    order.write_text(json.dumps(contest | {"folder": str(folder)}))


if __name__ == "__main__":
    main()

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

from fastmath.contest.inputs import begin_contest
from fastmath.contest.questions import GatewayError
from fastmath.contest.report import EmptyContestError
from fastmath.contest.serving import open_contest, play_contest
from fastmath.recipe.errors import SettingsError
from fastmath.runs.model_folder import ModelFolderError
from fastmath.runs.stage import MissingStageError, OtherSettingsError, Stage

FAILURES = (EmptyContestError, GatewayError, MissingStageError, ModelFolderError, OtherSettingsError, SettingsError)
"""Errors whose message says all: their traceback is left out."""

logger = logging.getLogger(__name__)


def play(contest: dict[str, Any]) -> Path:
    """Play the contest of a notebook's parameters, unless it is there already, and draw it; returns its folder.

    A contest that could not be drawn has not finished: the next run plays it again.
    """
    inputs, force, questions = Path(contest["inputs"]), contest["force"], contest["questions"]
    stage = open_contest(contest["recipe"], contest["run_dir"], contest["overrides"], inputs, force, questions)
    if force or not stage.is_current():
        with stage.running(force):
            play_contest(stage, questions, inputs, contest["started"])
            show_contest(stage)
    else:
        logger.info("nothing has changed since this contest was played: %s", stage.folder)
        show_contest(stage)
    report_contest(stage)
    return stage.folder


def show_contest(stage: Stage) -> None:
    """Write the contest's tables and figures beside its report."""
    from fastmath.kaggle.results import draw_contest  # late: none of it may cost the contest

    draw_contest(stage)


def report_contest(stage: Stage) -> None:
    """Add the contest to the report of its run, which has its seconds, too."""
    from fastmath.evaluation.report import refresh_report  # late, as above

    refresh_report(stage)


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

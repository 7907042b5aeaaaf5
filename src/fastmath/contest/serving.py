"""Answers to a CSV of questions, given as in the contest and under its clock: `fastmath kernel serve` and the notebook.

The competition's own gateway asks the questions where its `kaggle_evaluation` is available, else `LocalGateway` does.
The notebook plays one of three contests: the hidden questions in Kaggle's scored run (`play.serve_contest`), the public
`test.csv` when a version of the notebook is saved on Kaggle, and a run's held-out problems elsewhere
(`play.run_contest`).
"""

import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from fastmath.answers.contests import CONTESTS
from fastmath.contest.assembly import open_kernel
from fastmath.contest.gateway import (
    KAGGLE_INPUT,
    SUBMISSION,
    LocalGateway,
    find_server,
    run_competition_gateway,
)
from fastmath.contest.inputs import find_recipe
from fastmath.contest.play import run_contest
from fastmath.contest.policy import find_policy
from fastmath.contest.questions import find_questions, read_questions, write_asked
from fastmath.contest.report import require_substance, summarize
from fastmath.kernel.journal import JOURNAL, read_records
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.load import load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json
from fastmath.runs.model_folder import find_model_folder
from fastmath.runs.pipeline import make_stage, open_stage
from fastmath.runs.stage import MissingStageError, Stage
from fastmath.runs.stages import MODEL_SECTIONS
from fastmath.runs.start_model import find_base_model

logger = logging.getLogger(__name__)

ASKED = "asked.csv"
"""File with what a gateway asks: id and question."""


def open_contest(
    recipe: str,
    run_dir: str,
    overrides: Mapping[str, Any] | None = None,
    inputs: Path = KAGGLE_INPUT,
    force: bool = False,
    questions: str = "",
) -> Stage:
    """The stage `kernel` of a notebook; on Kaggle it stands alone, elsewhere it follows the earlier stages of a run.

    Args:
        recipe: parameter of the notebook: a name in `configs`, a path, or on Kaggle an empty text, for the recipe that
            travels with the wheels.
        run_dir: parameter of the notebook: the run folder, or on Kaggle the output folder.
        overrides: parameter of the notebook: settings that replace the recipe's, by dotted key.
        inputs: folder below which Kaggle mounts the model and the questions; if it does not exist, the notebook is
            taken to run elsewhere.
        force: parameter of the notebook: whether the stage may be one that has finished with other settings.
        questions: parameter of the notebook: the CSV that replaces the held-out problems; empty for none.

    Raises:
        fastmath.recipe.errors.SettingsError: the recipe or an override is not valid.
        fastmath.runs.stage.OtherSettingsError: without `force`, outside Kaggle, the stage has finished with other
            settings or inputs.
        fastmath.runs.stage.MissingStageError: outside Kaggle, an earlier stage has not finished in `run_dir`.
    """
    if inputs.is_dir():
        stage = Stage("kernel", load_recipe(find_recipe(recipe, inputs), overrides), Path(run_dir).resolve())
    else:
        stage = open_stage("kernel", recipe, run_dir, overrides, force, {"questions": questions} if questions else None)
    find_policy(stage.recipe.kernel.policy)
    return stage


def play_contest(stage: Stage, questions: str, inputs: Path, started: float) -> dict[str, Any]:
    """Play the contest of a notebook that is not scored, and write its report, journal and submission.

    Args:
        stage: the stage from `open_contest`, which must be the stage that is running.
        questions: CSV that replaces the run's held-out problems, or on Kaggle the competition's `test.csv`; an empty
            text replaces nothing.
        inputs: folder below which Kaggle mounts its inputs, as for `open_contest`.
        started: value of `time.monotonic()` at the start of the notebook; on Kaggle the contest's clock began then.

    Returns:
        The report, as `fastmath.contest.play.run_contest` describes it.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: there is no model.
        fastmath.contest.questions.GatewayError: there are no questions, or the contest would not accept a prediction.
        fastmath.contest.report.EmptyContestError: nothing was generated or answered; the files are written before.
    """
    if not inputs.is_dir():
        return run_contest(stage, questions)
    model = find_model_folder(inputs)
    path = Path(questions).resolve() if questions else find_questions(inputs)
    server = find_server(stage.recipe.kernel.profile, inputs)
    report = answer_questions(stage.recipe, model, path, stage.folder, server, started)
    # Kaggle scores the submission in the notebook's own folder.
    shutil.copy(stage.folder / SUBMISSION, stage.run_dir / SUBMISSION)
    return report


def answer_questions(
    recipe: Recipe,
    model: Path,
    questions: Path,
    folder: Path,
    server: type | None = None,
    started: float | None = None,
) -> dict[str, Any]:
    """Answer a CSV in this process and write `submission.parquet`, `questions.jsonl` and `report.json`.

    Args:
        recipe: recipe whose `kernel` section is used.
        model: folder of the quantised checkpoint.
        questions: CSV of `id`, a question and, where known, `answer`.
        folder: folder for the files; an interrupted contest in it is continued, a finished one is started again.
        server: inference server class from `find_server`; None makes `LocalGateway` ask the questions.
        started: value of `time.monotonic()` when the contest's clock began; None starts it with the first question.

    Returns:
        The report, as `fastmath.contest.play.run_contest` describes it.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        fastmath.contest.questions.GatewayError: there are no questions, or the contest would not accept a prediction.
        fastmath.kernel.journal.JournalError: the folder holds an interrupted contest of another model, contest or run,
            or of other questions.
        fastmath.contest.report.EmptyContestError: nothing was generated or answered; the files are written before.
    """
    model, questions, folder = model.resolve(), questions.resolve(), folder.resolve()
    asked = read_questions(questions)
    begin_anew(asked, folder)
    began = time.monotonic()
    with open_kernel(recipe, model, folder, asked, started) as kernel:
        if server is None:
            logger.warning("no kaggle_evaluation is given or found: the project's own gateway asks the questions")
            LocalGateway(kernel.predict, kernel.profile.call_seconds, recipe.seed).run(folder / ASKED, folder)
        else:
            run_competition_gateway(server, kernel.predict, folder / ASKED, folder)
    return write_report(recipe, asked, folder, time.monotonic() - began)


def begin_anew(asked: pl.DataFrame, folder: Path) -> None:
    """Create the folder of a contest, or prepare it for another run.

    The submission and the journal of a finished contest are removed; the journal of an interrupted one, which has no
    submission, is kept, so that the contest goes on from it. `questions.csv` gets the questions with their answers,
    and `asked.csv` what a gateway asks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / SUBMISSION).exists():
        for name in (SUBMISSION, JOURNAL):
            (folder / name).unlink(missing_ok=True)
    asked.write_csv(folder / "questions.csv")
    write_asked(asked, folder / ASKED)


def write_report(recipe: Recipe, asked: pl.DataFrame, folder: Path, seconds: float) -> dict[str, Any]:
    """Write `report.json` of a contest from the journal in `folder`, and return it.

    Args:
        recipe: recipe that the contest was played with.
        asked: the questions, from `read_questions`.
        folder: folder of the contest.
        seconds: wall time of the contest, in seconds.

    Raises:
        fastmath.contest.report.EmptyContestError: nothing was generated or answered; the report is written before.
    """
    limit = recipe.kernel.limit_seconds or CONTESTS[recipe.kernel.profile].limit_seconds
    records = read_records(folder / JOURNAL)
    report = summarize(asked, records, None, seconds, limit)
    write_json(folder / "report.json", report)
    require_substance(report, records, recipe.kernel.require_votes)
    return report


def load_served(run_dir: Path, overrides: Mapping[str, Any], recipe: str | None = None) -> tuple[Recipe, Path]:
    """The recipe to answer questions with, and the folder of a run's last model: the quantised one, if it makes one.

    The section `model` and the seed come from the settings that the model was made with, all other sections from those
    that the run was last played with. Where a setting of them is no longer known, they come from the recipe as it is
    now.

    Args:
        run_dir: the run folder.
        overrides: settings that replace the recipe's, by dotted key.
        recipe: a name in `configs` or a path; None takes the run's own settings.

    Raises:
        fastmath.runs.stage.MissingStageError: the run has not made its last model.
        fastmath.recipe.errors.SettingsError: an override is not valid, or the run has settings that are no longer known
            and its recipe is not in `configs`.
    """
    stages = (*reversed(MODEL_SECTIONS), "build_data")
    settings = next((path for name in stages if (path := run_dir / name / "config.yaml").is_file()), None)
    made_with = {} if settings is None else yaml.safe_load(settings.read_text())
    makers = [stage for stage, section in MODEL_SECTIONS.items() if made_with.get(section) is not None]
    if settings is None or (makers and not (run_dir / makers[-1] / "model").is_dir()):
        last = makers[-1] if makers else "quantize_awq"
        kind = "quantised model" if last == "quantize_awq" else "model"
        raise MissingStageError(
            f"there is no {kind} in {run_dir / last}; make it: fastmath run RECIPE --run-dir {run_dir} --to {last}"
        )
    kept = {"model": made_with["model"], "seed": made_with["seed"]}
    played = next(
        (path for name in ("kernel", "evaluate") if (path := run_dir / name / "config.yaml").is_file()), settings
    )
    served = load_recipe(recipe or _name_recipe(played, made_with["name"]), kept | dict(overrides))
    find_policy(served.kernel.policy)
    if makers:
        return served, run_dir / makers[-1] / "model"
    return served, find_base_model(served, run_dir, make_stage("kernel", served, run_dir).root).fetch()


def _name_recipe(settings: Path, name: str) -> str:
    """The file of a run's settings as a recipe, or the run's recipe by name if they are of an earlier version."""
    try:
        load_recipe(str(settings))
    except SettingsError as error:
        logger.warning("%s is not taken, but the recipe %s as it is now: %s", settings, name, error)
        return name
    return str(settings)

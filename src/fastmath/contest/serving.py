"""A CSV of questions, answered as in the contest and under its clock: by `fastmath kernel serve` and by the notebook.

Who asks is the competition's own gateway where its `kaggle_evaluation` is at hand, else the project's `LocalGateway`.
The notebook plays one of three contests: the hidden questions in Kaggle's scored run (`contest.serve_contest`), the
public `test.csv` when its version is saved on Kaggle, and a run's held-out problems at home (`contest.run_contest`).
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
from fastmath.contest.gateway import (
    KAGGLE_INPUT,
    SUBMISSION,
    LocalGateway,
    find_questions,
    find_server,
    read_questions,
    run_competition_gateway,
)
from fastmath.contest.play import JOURNAL, find_model, open_kernel, run_contest, summarize
from fastmath.contest.policy import find_policy
from fastmath.kernel.journal import read_records
from fastmath.recipe.load import load_recipe
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json
from fastmath.runs.pipeline import open_stage
from fastmath.runs.stage import MissingStageError, Stage

logger = logging.getLogger(__name__)

MODEL_STAGE = "quantize_awq"


def open_contest(
    recipe: str, run_dir: str, overrides: Mapping[str, Any] | None = None, inputs: Path = KAGGLE_INPUT
) -> Stage:
    """The notebook's stage: of a run with its earlier stages, or on Kaggle, where there are none.

    Args:
        recipe: the notebook's parameter, a name in `configs` or a path.
        run_dir: the notebook's parameter; on Kaggle its output folder.
        overrides: the notebook's parameter, dotted keys into the recipe.
        inputs: folder under which Kaggle mounts the model and the questions; where it is missing this is no Kaggle.

    Raises:
        fastmath.recipe.load.SettingsError: the recipe or an override cannot work.
        fastmath.runs.stage.MissingStageError: at home, an earlier stage has not finished in `run_dir`.
    """
    if inputs.is_dir():
        return Stage("kernel", load_recipe(recipe, overrides), Path(run_dir).resolve())
    return open_stage("kernel", recipe, run_dir, overrides)


def play_contest(stage: Stage, questions: str, inputs: Path, started: float) -> dict[str, Any]:
    """Play the contest of a notebook that is not scored, and write its report, journal and submission.

    Args:
        stage: from `open_contest`, being run.
        questions: CSV that replaces the run's held-out problems, or on Kaggle the competition's `test.csv`.
        inputs: as `open_contest` takes it.
        started: `time.monotonic()` at the notebook's start, from which the contest's clock runs on Kaggle.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: no model, or several.
        fastmath.contest.gateway.GatewayError: no questions, or a prediction that the contest would not accept.
    """
    if not inputs.is_dir():
        return run_contest(stage, questions)
    model = find_model(inputs)
    path = Path(questions).resolve() if questions else find_questions(inputs)
    server = find_server(stage.recipe.kernel.profile, inputs)
    report = answer_questions(stage.recipe, model, path, stage.folder, server, started)
    # Kaggle scores the file that lies in the notebook's own folder.
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
        recipe: whose `kernel` section is used.
        model: folder of the quantised checkpoint.
        questions: CSV of `id`, a question and, where known, `answer`.
        folder: where the files are written; a contest that was cut off there goes on, a finished one begins anew.
        server: from `find_server`; None lets the project's own gateway ask.
        started: `time.monotonic()` when the contest's clock began; None begins it with the first question.

    Returns:
        The report, as `fastmath.contest.play.run_contest` describes it.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        fastmath.contest.gateway.GatewayError: no questions, or a prediction that the contest would not accept.
        fastmath.kernel.journal.JournalError: the folder holds a contest of another model.
    """
    model, questions, folder = model.resolve(), questions.resolve(), folder.resolve()
    asked = read_questions(questions)
    begin_anew(folder)
    began = time.monotonic()
    with open_kernel(recipe, model, folder, asked.height, started) as kernel:
        if server is None:
            logger.warning("no kaggle_evaluation is given or found: the project's own gateway asks the questions")
            LocalGateway(kernel.predict, seed=recipe.seed).run(questions, folder)
        else:
            run_competition_gateway(server, kernel.predict, questions, folder)
    return write_report(recipe, questions, folder, time.monotonic() - began)


def begin_anew(folder: Path) -> None:
    """Make a contest's folder; remove the journal of one that was finished there, and keep that of one cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / SUBMISSION).exists():
        for name in (SUBMISSION, JOURNAL):
            (folder / name).unlink(missing_ok=True)


def write_report(recipe: Recipe, questions: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Write `report.json` of a contest whose submission and journal lie in `folder`, and return it."""
    limit = recipe.kernel.limit_seconds or CONTESTS[recipe.kernel.profile].limit_seconds
    submission = pl.read_parquet(folder / SUBMISSION)
    report = summarize(read_questions(questions), submission, read_records(folder / JOURNAL), None, seconds, limit)
    write_json(folder / "report.json", report)
    return report


def load_served(run_dir: Path, overrides: Mapping[str, Any], recipe: str | None = None) -> tuple[Recipe, Path]:
    """The settings to answer with, and a run's quantised model.

    How to ask the model is what it was made with; how to play the contest is as its recipe says today.

    Args:
        run_dir: the run folder.
        overrides: dotted keys into the recipe.
        recipe: a name in `configs` or a path; None takes the run's own by its name.

    Raises:
        fastmath.runs.stage.MissingStageError: the run has no quantised model.
        fastmath.recipe.load.SettingsError: an override cannot work, or the run's recipe is not in `configs`.
    """
    folder = run_dir / MODEL_STAGE
    settings, model = folder / "config.yaml", folder / "model"
    if not settings.is_file() or not model.is_dir():
        raise MissingStageError(
            f"there is no quantised model in {folder}; make it first: fastmath run RECIPE --run-dir {run_dir} "
            f"--to {MODEL_STAGE}"
        )
    made_with = yaml.safe_load(settings.read_text())
    kept = {"model": made_with["model"], "seed": made_with["seed"]}
    settings = load_recipe(recipe or made_with["name"], kept | dict(overrides))
    find_policy(settings.kernel.policy)
    return settings, model

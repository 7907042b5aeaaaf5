"""The models of an evaluation, those of its run and others: their folders, how they are read, and their samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastmath.data.problem_files import require_problem_file
from fastmath.evaluation.problem_sets import write_problems
from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.inference import EvaluatedModel, ReadingSettings
from fastmath.recipe.load import load_recipe
from fastmath.recipe.pins import require_commit
from fastmath.recipe.sections import Recipe
from fastmath.runs.stage import Stage
from fastmath.runs.stages import NOTEBOOKS, find_model_stage, list_stages
from fastmath.runs.start_model import StartModel, find_base_model, find_start_model
from fastmath.sampling.jobs import SamplingJob, make_job
from fastmath.sampling.processes import run_jobs

MODELS: Mapping[str, tuple[str, str]] = {
    "base": ("", ""),
    "sft-epoch-1": ("sft", "first_epoch/model"),
    "sft": ("sft", "model"),
    "grpo": ("grpo", "model"),
    "awq": ("quantize_awq", "model"),
}
"""Name of each model of a run → the stage that makes it and its folder within that stage, in the report's order.

The base model, which no stage makes, is sampled where the recipe does not fine-tune it and names no further models.
"""
RUN_MARK = "01_build_data.ipynb"
"""File by which a run folder is known."""


@dataclass(frozen=True)
class Candidate:
    """A model that is evaluated.

    Attributes:
        folder: its checkpoint.
        reading: where its samples end and where their answers are read.
        system_prompt: name of its system prompt.
    """

    folder: Path
    reading: ReadingSettings
    system_prompt: str


def sample_models(stage: Stage) -> dict[str, Path]:
    """Draw the samples of every model that are not there yet.

    What is there of the same weights, problems and settings is kept: after a kill at most a shard is drawn again, and
    more samples, problems, sets or models add to what was drawn before.

    Args:
        stage: the stage `evaluate` of a run.

    Returns:
        Name of each model → parquet file of its samples, in the report's order.

    Raises:
        fastmath.runs.stage.MissingStageError: the models of the run or the held-out problems are missing.
        fastmath.runs.model_folder.ModelFolderError: a model folder lacks its weights, configuration or tokenizer.
        fastmath.recipe.errors.SettingsError: a set of problems cannot be read, or a Hub model is not pinned.
        fastmath.runs.process.ChildFailedError: a sampling process failed.
    """
    stage.folder.mkdir(parents=True, exist_ok=True)
    problems = write_problems(stage)
    models = find_models(stage)
    if not models:
        find_start_model(stage)  # which is missing, too, and says so
    jobs = [_make_job(stage, name, model, problems) for name, model in models.items()]
    run_jobs(jobs, stage.folder)
    return {job.model: job.destination for job in jobs}


def list_models(recipe: Recipe) -> list[str]:
    """Names of all models that an evaluation of this recipe may have, in the report's order."""
    there = list_stages(recipe)
    made = [name for name, (maker, _) in MODELS.items() if maker in there]
    further = [name for name in recipe.evaluate.models if name not in made]
    base = ["base"] if recipe.sft is None and not recipe.evaluate.models else []
    return [*base, *made, *further]


def name_last_model(recipe: Recipe) -> str:
    """Name of the model that a run's contest plays: the last one that it makes, or the base model."""
    maker = find_model_stage("kernel", recipe) or ""
    return next(name for name in reversed(MODELS) if MODELS[name][0] == maker)


def find_models(stage: Stage) -> dict[str, Candidate]:
    """Every model that there is: those that the run has made so far, and those that the recipe names.

    Raises:
        fastmath.recipe.errors.SettingsError: a named model is neither a folder nor a pinned Hub model, or has the name
            of one of the run's.
    """
    recipe, found = stage.recipe, {}
    default = recipe.evaluate.system_prompt or recipe.model.system_prompt
    for name in list_models(recipe):
        if name in recipe.evaluate.models:
            if name in MODELS and MODELS[name][0] in list_stages(recipe):
                raise SettingsError(f"`evaluate.models` has {name!r}, which is the run's own; want another name")
            found[name] = find_further(name, recipe.evaluate.models[name], recipe, stage.root)
            continue
        maker, folder = MODELS[name]
        path = stage.run_dir / maker / folder if maker else find_base_model(recipe, stage.run_dir, stage.root).fetch()
        if path.exists():
            found[name] = Candidate(path, find_reading(name, recipe), default)
    return found


def check_named(recipe: Recipe, root: Path) -> None:
    """Refuse models and sets that an evaluation names and that are not there; nothing is downloaded.

    Args:
        recipe: the recipe.
        root: folder at which relative paths start.

    Raises:
        fastmath.recipe.errors.SettingsError: a model or a file is missing, or is of the Hub and not pinned to a commit.
    """
    for name, model in recipe.evaluate.models.items():
        locate_further(name, model, root).require_whole()
    for name in recipe.evaluate.sets:
        require_problem_file("`evaluate.sets`", name, root)


def find_further(name: str, model: EvaluatedModel, recipe: Recipe, root: Path) -> Candidate:
    """A model that the recipe names; it is downloaded if it lies on the Hub and is not in its cache.

    One that a fastmath run has made, also a checkpoint of its training, is read and prompted as that run's recipe says.

    Raises:
        fastmath.recipe.errors.SettingsError: it is neither a folder nor a pinned Hub model.
    """
    start = locate_further(name, model, root)
    source = find_recorded(root / model.path)
    reading = recipe.model.answers if source is None else find_reading(source[0], source[1])
    prompt = recipe.model.system_prompt if source is None else source[1].model.system_prompt
    return Candidate(
        start.fetch(), model.answers or reading, model.system_prompt or recipe.evaluate.system_prompt or prompt
    )


def locate_further(name: str, model: EvaluatedModel, root: Path) -> StartModel:
    """Where a model lies that the recipe names; nothing is downloaded.

    Raises:
        fastmath.recipe.errors.SettingsError: it is neither a folder nor a pinned Hub model.
    """
    folder, setting = root / model.path, f"`evaluate.models.{name}`"
    if (folder / RUN_MARK).is_file():
        made = ", ".join(str(path.parent) for path in sorted(folder.glob("*/model/config.json")))
        raise SettingsError(f"{setting}: {folder} is a run; want one of its models: {made or 'it has none yet'}")
    if folder.is_dir():
        return StartModel(str(folder.absolute()))
    if model.path.count("/") == 1 and not model.path.startswith((".", "/")):
        return StartModel(model.path, require_commit(setting, model.path, model.revision, dataset=False))
    raise SettingsError(
        f"{setting}: there is no folder {folder}; want that of a checkpoint, or OWNER/NAME@COMMIT of a Hub model"
    )


def find_recorded(folder: Path) -> tuple[str, Recipe] | None:
    """The name of a run's model and the recipe that made it, for a folder within a stage of a run; None for others."""
    for parent in folder.absolute().parents:
        maker = next((model for model, (stage, _) in reversed(MODELS.items()) if stage == parent.name), None)
        if parent.name in NOTEBOOKS and maker and (parent / "config.yaml").is_file():
            return maker, load_recipe(str(parent / "config.yaml"))
    return None


def find_reading(model: str, recipe: Recipe) -> ReadingSettings:
    """Where the samples of a run's model end and where they are read; a quantised model is read as its source is."""
    maker = MODELS[model][0]
    if maker == "quantize_awq":
        maker = find_model_stage(maker, recipe) or ""
    return recipe.trainings[maker].answers if maker else recipe.model.answers


def samples_path(run_dir: Path, model: str) -> Path:
    """The parquet file for the samples of one model of a run."""
    return run_dir / "evaluate" / f"samples-{model}.parquet"


def _make_job(stage: Stage, name: str, model: Candidate, problems: Path) -> SamplingJob:
    return make_job(
        name,
        model.folder,
        problems,
        stage.recipe.evaluate,
        model.reading,
        SYSTEM_PROMPTS[model.system_prompt],
        stage.recipe.seed,
        samples_path(stage.run_dir, name),
    )

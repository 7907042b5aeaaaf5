"""Setting up a kernel: engine, rules, policy, clock and journal, as a recipe has them."""

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from fastmath.answers.contests import CONTESTS
from fastmath.contest.policy import find_policy
from fastmath.engine.loading import LoadProcesses, shrink_engine
from fastmath.engine.supervision import EngineKeeper, Start
from fastmath.engine.vllm import AsyncEngine, Engine, Sampling
from fastmath.kernel.journal import JOURNAL, Journal
from fastmath.kernel.kernel import Kernel
from fastmath.kernel.solver import SolverRules
from fastmath.policies.clock import ClockRules
from fastmath.prompts import SYSTEM_PROMPTS
from fastmath.recipe.inference import KernelSettings
from fastmath.recipe.sections import Recipe
from fastmath.runs.model_folder import check_model_folder


@contextlib.contextmanager
def open_kernel(
    recipe: Recipe, model: Path, folder: Path, asked: pl.DataFrame | None = None, started: float | None = None
) -> Iterator[Kernel]:
    """A kernel under the contest's clock; its engine starts with the first question and ends with the context.

    Args:
        recipe: recipe whose `kernel` section is used; where it sets no time limit, the contest's limit applies.
        model: folder of the quantised checkpoint.
        folder: folder for the journal; it is created if needed.
        asked: the questions, where they are known; None expects the recipe's number of questions, and without one the
            contest's.
        started: value of `time.monotonic()` when the contest's clock began; None starts it with the first question.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        fastmath.kernel.journal.JournalError: the journal in `folder` belongs to another model, contest or run.
    """
    # `predict` never raises, so without this check a missing model would mean the fallback answer to every question.
    check_model_folder(model)
    profile = CONTESTS[recipe.kernel.profile]
    folder.mkdir(parents=True, exist_ok=True)
    limit = recipe.kernel.limit_seconds or profile.limit_seconds
    expected = recipe.kernel.questions or profile.questions if asked is None else asked.height
    keeper = EngineKeeper(engine_starter(recipe, model))
    try:
        questions = None if asked is None else name_questions(asked)
        yield build_kernel(recipe, model, keeper, limit, expected, folder / JOURNAL, started, questions)
    finally:
        keeper.close()


def build_kernel(
    recipe: Recipe,
    model: Path,
    keeper: EngineKeeper,
    limit: float,
    questions: int,
    journal: Path,
    started: float | None = None,
    asked: str | None = None,
) -> Kernel:
    """The kernel of a recipe for a contest of `questions` questions in `limit` seconds.

    `asked` names the questions, from `name_questions`; the journal of others is refused. None names none, as in the
    scored run, whose questions nobody knows.

    Raises:
        fastmath.kernel.journal.JournalError: the journal belongs to another model, contest or run.
    """
    settings = recipe.kernel
    profile = CONTESTS[settings.profile]
    identity = {"model": name_model(model), "contest": settings.profile, "run": f"{recipe.name}, seed {recipe.seed}"}
    identity |= {} if asked is None else {"questions": asked}
    return Kernel(
        keeper=keeper,
        profile=profile,
        system_prompt=SYSTEM_PROMPTS[recipe.kernel.system_prompt or recipe.model.system_prompt],
        sampling=make_sampling(settings),
        rules=make_rules(settings),
        policy=find_policy(settings.policy, schedule=settings.schedule),
        clock=ClockRules(limit, questions, call_seconds=profile.call_seconds or math.inf),
        journal=Journal(journal, identity),
        samples=settings.samples,
        slowdown=settings.slowdown,
        hang_seconds=settings.hang_seconds,
        started=started,
    )


def name_model(folder: Path) -> str:
    """A name that differs between models: a hash of the configuration and of the names and sizes of all files."""
    files = sorted((file.name, file.stat().st_size) for file in folder.iterdir() if file.is_file())
    configuration = (folder / "config.json").read_bytes()
    return hashlib.sha256(configuration + repr(files).encode()).hexdigest()[:16]


def name_questions(asked: pl.DataFrame) -> str:
    """A name that differs between sets of questions: a hash of their ids and texts, in any order."""
    return hashlib.sha256(repr(sorted(asked.select(asked.columns[:2]).iter_rows())).encode()).hexdigest()[:16]


def engine_starter(recipe: Recipe, model: Path) -> Start:
    """A function that starts the recipe's engine, or one that takes less memory (`shrink_engine`)."""

    def start(scale: float, processes: LoadProcesses) -> Engine:
        settings = shrink_engine(recipe.kernel.engine, recipe.kernel.samples, scale)
        return AsyncEngine(model, settings, recipe.seed, processes=processes)

    return start


def make_rules(settings: KernelSettings) -> SolverRules:
    """The solver's rules from the kernel's settings: weights of votes, harvest and fallback answer."""
    names = [item.name for item in dataclasses.fields(SolverRules)]
    return SolverRules(**{name: getattr(settings, name) for name in names})


def make_sampling(settings: KernelSettings) -> Sampling:
    """The sampling parameters from the kernel's settings."""
    return Sampling(
        settings.token_budget,
        settings.temperature,
        settings.top_p,
        settings.generation_end,
        settings.answer_place,
        settings.min_p,
    )

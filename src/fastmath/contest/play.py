"""Whole contests: the measured local one, and Kaggle's.

The local contest first measures what full votes take, one question after another on the same engine, and then plays
under a clock that is a share of it, so that the limit means the same on every machine.
"""

import contextlib
import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.contests import CONTESTS
from fastmath.contest.gateway import KAGGLE_INPUT, LocalGateway, read_questions, serve, write_questions
from fastmath.contest.policy import find_policy
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import AsyncEngine, Engine, Sampling
from fastmath.kernel.full_vote import FullVote, vote_in_full
from fastmath.kernel.journal import Journal, read_records
from fastmath.kernel.kernel import Kernel
from fastmath.kernel.solver import SolverRules
from fastmath.policies.clock import ClockRules
from fastmath.prompts import SYSTEM_PROMPTS, render_prompt
from fastmath.recipe.sections import KernelSettings, Recipe
from fastmath.runs.files import write_json
from fastmath.runs.model_folder import ModelFolderError, check_model_folder
from fastmath.runs.stage import Stage

logger = logging.getLogger(__name__)

JOURNAL = "questions.jsonl"


@dataclass(frozen=True)
class FullVotes:
    """What full votes on all questions took and gave; `answers` maps a question's id to its answer."""

    answers: Mapping[str, int | None]
    seconds: float
    tokens: int


def run_contest(stage: Stage, questions: str = "") -> dict[str, Any]:
    """Play the local contest of a run and write `report.json`, `submission.parquet` and `questions.jsonl`.

    Args:
        stage: the stage `kernel` of a run, being run.
        questions: CSV of `id, problem` and, where known, `answer` that replaces the held-out problems; a relative path
            starts at `stage.root`.

    Returns:
        The report: `questions`, `answered` (inside the limit, by a vote or by the fallback), `correct`, `seconds`,
        `limit_seconds`, `tokens`, and `tokens_full_vote`, `correct_full_vote`, `seconds_full_vote`, which are None
        where `kernel.limit_seconds` is set; the correct ones are None where no answers are known.

    Raises:
        fastmath.runs.stage.MissingStageError: the quantised model or the held-out problems are not there.
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        fastmath.contest.gateway.GatewayError: the questions are no questions.
    """
    settings = stage.recipe.kernel
    model = stage.product("quantize_awq", "model")
    stage.folder.mkdir(parents=True, exist_ok=True)
    path = _write_questions(stage, stage.root / questions if questions else None)
    asked = read_questions(path)
    # Full votes are measured anew, so the contest begins anew, too.
    (stage.folder / JOURNAL).unlink(missing_ok=True)
    keeper = EngineKeeper(_start_engine(stage.recipe, model))
    try:
        engine = keeper.wait(timeout=None)
        system_prompt = SYSTEM_PROMPTS[stage.recipe.model.system_prompt]
        full = None if settings.limit_seconds else measure_full_votes(engine, asked, settings, system_prompt)
        limit = settings.limit_seconds or settings.limit_share * full.seconds
        logger.info("%d questions in %.1f s", asked.height, limit)
        kernel = build_kernel(stage.recipe, model, keeper, limit, asked.height, stage.folder / JOURNAL)
        began = time.monotonic()
        submission = LocalGateway(kernel.predict, seed=stage.recipe.seed).run(path, stage.folder)
        seconds = time.monotonic() - began
    finally:
        keeper.close()
    report = summarize(asked, submission, read_records(stage.folder / JOURNAL), full, seconds, limit)
    write_json(stage.folder / "report.json", report)
    return report


@contextlib.contextmanager
def open_kernel(
    recipe: Recipe, model: Path, folder: Path, questions: int | None = None, started: float | None = None
) -> Iterator[Kernel]:
    """A kernel under the contest's own clock; its engine starts with the first question and ends with the context.

    Args:
        recipe: whose `kernel` section is used; without a limit of its own the contest's holds.
        model: folder of the quantised checkpoint.
        folder: where the journal is written.
        questions: how many are expected; None takes the recipe's number, else the contest's.
        started: `time.monotonic()` when the contest's clock began; None begins it with the first question.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        fastmath.kernel.journal.JournalError: the journal there is another's.
    """
    check_model_folder(model)  # `predict` never raises, and would answer every question with the fallback
    profile = CONTESTS[recipe.kernel.profile]
    folder.mkdir(parents=True, exist_ok=True)
    limit = recipe.kernel.limit_seconds or profile.limit_seconds
    expected = questions or recipe.kernel.questions or profile.questions
    keeper = EngineKeeper(_start_engine(recipe, model))
    try:
        yield build_kernel(recipe, model, keeper, limit, expected, folder / JOURNAL, started)
    finally:
        keeper.close()


def serve_contest(recipe: Recipe, model: Path, folder: Path, started: float, search: Path = KAGGLE_INPUT) -> None:
    """Answer Kaggle's hidden questions; returns when Kaggle ends the run.

    Args:
        recipe: whose `kernel` section is used; without a limit of its own the contest's holds.
        model: folder of the quantised checkpoint.
        folder: where the journal is written.
        started: `time.monotonic()` at the notebook's start, from which the contest's clock runs.
        search: folder below which the competition's `kaggle_evaluation` is looked for.

    Raises:
        fastmath.contest.gateway.GatewayError: the competition's data are not attached.
    """
    with open_kernel(recipe, model, folder, started=started) as kernel:
        serve(kernel.predict, recipe.kernel.profile, search)


def find_model(folder: Path) -> Path:
    """The one model below a folder, found by its `config.json`: where Kaggle mounts a model has changed over time.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: there is none, or more than one.
    """
    found = sorted(path.parent for path in folder.glob("**/config.json"))
    if len(found) != 1:
        listed = ", ".join(map(str, found)) or "none"
        raise ModelFolderError(
            f"want one folder with a config.json below {folder}; found {listed}. Mount one model and no other "
            "(model_sources in kernel-metadata.json)"
        )
    return found[0]


def measure_full_votes(
    engine: Engine, asked: pl.DataFrame, settings: KernelSettings, system_prompt: str | None
) -> FullVotes:
    """Let all samples of every question vote, one question after another and without a clock."""
    # Samples end as those of other kernels do, which is what ours are measured against.
    profile, sampling = CONTESTS[settings.profile], replace(make_sampling(settings), stop="think_end")

    def vote(prompt: list[int], name: str) -> FullVote:
        return engine.run(vote_in_full(engine, prompt, sampling, profile, settings.samples, name))

    # By position: AIMO2 and AIMO3 call the second column problem, others question.
    prompts = {row[0]: render_prompt(engine.tokenizer, row[1], system_prompt) for row in asked.iter_rows()}
    # The first requests of an engine pay for what it sets up lazily; nobody's clock should.
    vote(next(iter(prompts.values())), "warm-up")
    began = time.monotonic()
    votes = {name: vote(prompt, f"full-{name}") for name, prompt in prompts.items()}
    seconds = time.monotonic() - began
    return FullVotes(
        {name: found.answer for name, found in votes.items()}, seconds, sum(found.tokens for found in votes.values())
    )


def build_kernel(
    recipe: Recipe,
    model: Path,
    keeper: EngineKeeper,
    limit: float,
    questions: int,
    journal: Path,
    started: float | None = None,
) -> Kernel:
    """The kernel of a recipe for a contest of so many questions in `limit` seconds.

    Raises:
        fastmath.kernel.journal.JournalError: the journal there is another's.
    """
    settings = recipe.kernel
    identity = {"model": name_model(model), "contest": settings.profile, "run": f"{recipe.name}, seed {recipe.seed}"}
    return Kernel(
        keeper=keeper,
        profile=CONTESTS[settings.profile],
        system_prompt=SYSTEM_PROMPTS[recipe.model.system_prompt],
        sampling=make_sampling(settings),
        rules=make_rules(settings),
        policy=find_policy(settings.policy),
        clock=ClockRules(limit, questions),
        journal=Journal(journal, identity),
        samples=settings.samples,
        slowdown=settings.slowdown,
        hang_seconds=settings.hang_seconds,
        started=started,
    )


def name_model(folder: Path) -> str:
    """A name that changes with the model: a hash of its configuration and of its files' names and sizes."""
    files = sorted((file.name, file.stat().st_size) for file in folder.iterdir() if file.is_file())
    configuration = (folder / "config.json").read_bytes()
    return hashlib.sha256(configuration + repr(files).encode()).hexdigest()[:16]


def _start_engine(recipe: Recipe, model: Path) -> Callable[[float], Engine]:
    """What starts an engine that runs a share of the recipe's batch."""

    def start(scale: float) -> Engine:
        settings = recipe.kernel.engine
        batch = max(1, int(scale * settings.arguments.get("max_num_seqs", recipe.kernel.samples)))
        arguments = {**settings.arguments, "max_num_seqs": batch}
        return AsyncEngine(model, settings.model_copy(update={"arguments": arguments}), recipe.seed)

    return start


def make_rules(settings: KernelSettings) -> SolverRules:
    """What samples weigh in the kernel, and what it answers without a vote."""
    names = [item.name for item in dataclasses.fields(SolverRules)]
    return SolverRules(**{name: getattr(settings, name) for name in names})


def make_sampling(settings: KernelSettings) -> Sampling:
    """How the kernel draws a sample."""
    return Sampling(settings.token_budget, settings.temperature, settings.top_p, settings.sample_stop)


def summarize(
    asked: pl.DataFrame,
    submission: pl.DataFrame,
    records: Sequence[Mapping[str, Any]],
    full: FullVotes | None,
    seconds: float,
    limit: float,
) -> dict[str, Any]:
    """The contest's report, see `run_contest`."""
    answers = dict(submission.iter_rows())
    return {
        "questions": asked.height,
        "answered": sum(record["elapsed_seconds"] <= limit for record in records),
        "correct": _count_correct(asked, answers),
        "seconds": round(seconds, 3),
        "limit_seconds": round(limit, 3),
        "tokens": sum(record["tokens"] for record in records),
        "tokens_full_vote": full and full.tokens,
        "correct_full_vote": full and _count_correct(asked, full.answers),
        "seconds_full_vote": full and round(full.seconds, 3),
    }


def _count_correct(asked: pl.DataFrame, answers: Mapping[str, int | None]) -> int | None:
    if "answer" not in asked.columns:
        return None
    return sum(answers.get(identifier) == gold for identifier, gold in asked.select("id", "answer").iter_rows())


def _write_questions(stage: Stage, questions: Path | None) -> Path:
    """The CSV that the gateway reads: the given one, else the first held-out problems."""
    if questions is not None:
        return questions
    profile = CONTESTS[stage.recipe.kernel.profile]
    count = stage.recipe.kernel.questions or profile.questions
    return write_questions(stage.product("build_data", "test.parquet"), stage.folder / "questions.csv", count)

"""Whole contests: the local one, whose time limit is measured, and Kaggle's.

The local contest first measures how long full votes take, one question after another on the same engine. Its time limit
is then a share of that time, so that it is equally tight on every machine. Within that limit the questions are asked
twice: full votes answer them, on the same clock, and then the kernel does.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fastmath.answers.contests import CONTESTS
from fastmath.contest.assembly import build_kernel, engine_starter, make_sampling, open_kernel
from fastmath.contest.gateway import KAGGLE_INPUT, LocalGateway, Predict, serve
from fastmath.contest.questions import read_questions, write_questions
from fastmath.contest.report import FullVotes, require_substance, summarize
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import Engine
from fastmath.kernel.full_vote import AMPLE_SECONDS, FullVote, vote_in_full
from fastmath.kernel.journal import JOURNAL, read_records
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.prompts import SYSTEM_PROMPTS, render_prompt
from fastmath.recipe.inference import KernelSettings
from fastmath.recipe.sections import Recipe
from fastmath.runs.files import write_json
from fastmath.runs.progress import TOKENS_PER_SECOND, ProgressCounter
from fastmath.runs.stage import Stage
from fastmath.runs.start_model import find_start_model

logger = logging.getLogger(__name__)


def run_contest(stage: Stage, questions: str = "") -> dict[str, Any]:
    """Play the local contest of a run and write `report.json`, `submission.parquet` and `questions.jsonl`.

    Args:
        stage: the stage `kernel` of a run, which must be the stage that is running.
        questions: CSV of `id, problem` and, where known, `answer` that replaces the held-out problems; a relative path
            starts at `stage.root`, and an empty text takes the held-out problems.

    Returns:
        The report, as `fastmath.contest.report.summarize` describes it. Its figures of full votes are None where
        `kernel.limit_seconds` is set.

    Raises:
        fastmath.runs.stage.MissingStageError: the quantised model or the held-out problems are missing.
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
        fastmath.contest.questions.GatewayError: the CSV holds no questions, or a prediction was not acceptable.
        fastmath.contest.report.EmptyContestError: nothing was generated or answered; the files are written before.
    """
    settings = stage.recipe.kernel
    model = find_start_model(stage).fetch()
    stage.folder.mkdir(parents=True, exist_ok=True)
    path = stage.folder / "questions.csv"
    if questions:
        read_questions(stage.root / questions).write_csv(path)
    else:
        count = settings.questions or CONTESTS[settings.profile].questions
        write_questions(stage.product("build_data", "test.parquet"), path, count)
    asked = read_questions(path)
    # Every run measures the full votes again and gets another limit, so an earlier contest cannot be continued.
    (stage.folder / JOURNAL).unlink(missing_ok=True)
    keeper = EngineKeeper(engine_starter(stage.recipe, model))
    try:
        engine = keeper.wait(timeout=None)
        system_prompt = SYSTEM_PROMPTS[stage.recipe.kernel.system_prompt or stage.recipe.model.system_prompt]
        full = same_clock = None
        limit = settings.limit_seconds or math.inf
        if not settings.limit_seconds:
            full = _count_full_votes(stage, engine, asked, system_prompt, math.inf)
            limit = settings.limit_share * full.seconds
            same_clock = _count_full_votes(stage, engine, asked, system_prompt, limit)
        logger.info("%d questions in %.1f s", asked.height, limit)
        kernel = build_kernel(stage.recipe, model, keeper, limit, asked.height, stage.folder / JOURNAL)
        counter = ProgressCounter(stage.folder, "question", asked.height, f"contest of {limit:.0f} s")
        predict = _counting(kernel.predict, counter)
        began = time.monotonic()
        LocalGateway(predict, CONTESTS[settings.profile].call_seconds, stage.recipe.seed).run(path, stage.folder)
        seconds = time.monotonic() - began
    finally:
        keeper.close()
    records = read_records(stage.folder / JOURNAL)
    report = summarize(asked, records, full, seconds, limit, same_clock)
    counter.close({TOKENS_PER_SECOND: report["tokens"] / seconds})
    write_json(stage.folder / "report.json", report)
    require_substance(report, records, settings.require_votes)
    return report


def _counting(predict: Predict, counter: ProgressCounter) -> Predict:
    """A function that answers as `predict` does and then counts the question."""

    def answer(*columns: Any) -> Any:
        prediction = predict(*columns)
        counter.add(1)
        return prediction

    return answer


def serve_contest(recipe: Recipe, model: Path, folder: Path, started: float, search: Path = KAGGLE_INPUT) -> None:
    """Answer Kaggle's hidden questions; returns when Kaggle ends the run.

    Args:
        recipe: recipe whose `kernel` section is used; where it sets no time limit, the contest's limit applies.
        model: folder of the quantised checkpoint.
        folder: folder for the journal.
        started: value of `time.monotonic()` at the start of the notebook, when the contest's clock began.
        search: folder below which the competition's `kaggle_evaluation` is looked for.

    Raises:
        fastmath.contest.gateway.GatewayError: the competition's data are not attached to the notebook.
        fastmath.runs.model_folder.ModelFolderError: the model's folder holds no model.
    """
    with open_kernel(recipe, model, folder, started=started) as kernel:
        serve(kernel.predict, recipe.kernel.profile, search)


def play_full_votes(
    engine: Engine,
    asked: pl.DataFrame,
    settings: KernelSettings,
    system_prompt: str | None,
    limit: float = math.inf,
    count: Callable[[], None] = lambda: None,
) -> FullVotes:
    """Let all samples of every question vote, one question after another.

    Under a limit each question has an even share of the time that is left, on the clock that the kernel has, and what
    has ended when its share is over votes. Without one the engine is warmed up first.

    Args:
        engine: engine that draws the samples.
        asked: the questions, from `read_questions`.
        settings: number of samples and sampling parameters.
        system_prompt: text of the system turn; None for no such turn.
        limit: time limit of all questions together, in seconds; infinite = no clock.
        count: is called after every question.
    """
    # The full vote is the baseline and stands for other kernels: its samples end where theirs do, with the reasoning.
    profile, sampling = CONTESTS[settings.profile], replace(make_sampling(settings), stop="think_end")
    clock = ClockRules(limit, asked.height)
    kind = "full" if math.isinf(limit) else "clock"

    def vote(prompt: list[int], name: str, seconds: float) -> FullVote:
        work = vote_in_full(
            engine, prompt, sampling, profile, settings.samples, f"{kind}-{name}", seconds, settings.hang_seconds
        )
        return engine.run(work)

    # Columns are read by position: the second is called `problem` in AIMO2 and AIMO3, `question` elsewhere.
    prompts = {row[0]: render_prompt(engine.tokenizer, row[1], system_prompt) for row in asked.iter_rows()}
    if math.isinf(limit):
        # An engine finishes its setup during its first requests; the warm-up keeps that time out of the measurement.
        vote(next(iter(prompts.values())), "warm-up", AMPLE_SECONDS)
    began = time.monotonic()
    votes, answered = {}, 0
    for name, prompt in prompts.items():
        share = tell_time(clock, time.monotonic() - began, len(votes)).share
        votes[name] = vote(prompt, name, min(share, AMPLE_SECONDS))
        answered += time.monotonic() - began <= limit
        count()
    seconds = time.monotonic() - began
    answers = {name: found.answer for name, found in votes.items()}
    return FullVotes(answers, answered, seconds, sum(found.tokens for found in votes.values()))


def _count_full_votes(
    stage: Stage, engine: Engine, asked: pl.DataFrame, system_prompt: str | None, limit: float
) -> FullVotes:
    """Play full votes, and say in the stage's progress how far they are."""
    label = "full votes" if math.isinf(limit) else f"full votes in {limit:.0f} s"
    counter = ProgressCounter(stage.folder, "question", asked.height, label)
    full = play_full_votes(engine, asked, stage.recipe.kernel, system_prompt, limit, lambda: counter.add(1))
    counter.close({TOKENS_PER_SECOND: full.tokens / full.seconds})
    return full

"""The sampling of models: in a process of its own for an evaluation, or on an engine that is there already.

`fastmath.sampling.processes` starts one process for each engine; to start one by hand, name its rank and its jobs:

    python -m fastmath.sampling.sampler 0 runs/nano/evaluate/engines/sft-0/job.json
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from transformers import PreTrainedTokenizerBase

from fastmath.answers.extract import AnswerPlace
from fastmath.engine.drawing import Drawing, Drawn, require_room
from fastmath.prompts import render_prompt
from fastmath.recipe.inference import EvaluateSettings, ReadingSettings
from fastmath.runs.environment import PARENT_VARIABLE
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.progress import TOKENS_PER_SECOND, ProgressFile
from fastmath.sampling.jobs import SamplingJob, derive_seed, read_problems
from fastmath.sampling.samples import judge_samples
from fastmath.sampling.shards import DRAWN_SCHEMA, ShardWriter, list_pending

_TOKENIZER_PROBES = 16


class Engine(Protocol):
    """What samples are drawn with: `BatchEngine`, or another with its method and attributes."""

    tokenizer: PreTrainedTokenizerBase
    context_tokens: int

    def draw(self, prompts: list[list[int]], drawing: Drawing) -> Iterator[tuple[int, Drawn]]:
        """Draw one sample of every prompt, see `BatchEngine.draw`."""
        ...


def sample_problems(
    engine: Engine,
    problems: pl.DataFrame,
    samples: int,
    drawing: Drawing,
    system_prompt: str | None,
    answer_place: AnswerPlace,
) -> pl.DataFrame:
    """Sample problems with an engine that is loaded, as the validation of a training does, and judge the samples.

    Args:
        engine: the engine.
        problems: table of `id, problem, answer`.
        samples: number of samples per problem.
        drawing: how they are drawn.
        system_prompt: text of the system turn; None for no such turn.
        answer_place: part of a sample whose last box is its answer.

    Returns:
        Table of `fastmath.sampling.samples.SAMPLE_SCHEMA`, by problem and sample.
    """
    numbers = pl.DataFrame({"sample": pl.Series(range(samples), dtype=pl.Int64)})
    wanted = problems.select(problem_id="id").join(numbers, how="cross").with_columns(digest=pl.lit(""))
    rows = list(draw_rows(engine, wanted, problems, drawing, system_prompt, seed=0))
    drawn = pl.DataFrame(rows, schema=DRAWN_SCHEMA)
    order = wanted.select("problem_id", "sample")
    return judge_samples(order.join(drawn, on=["problem_id", "sample"], maintain_order="left"), problems, answer_place)


def draw_rows(
    engine: Engine,
    wanted: pl.DataFrame,
    problems: pl.DataFrame,
    drawing: Drawing,
    system_prompt: str | None,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Draw samples and yield each as a row of `DRAWN_SCHEMA` as soon as it is finished.

    Args:
        engine: the engine.
        wanted: the samples to draw, `problem_id, sample, digest`.
        problems: table of `id, problem`, with all problems that are asked for.
        drawing: how they are drawn.
        system_prompt: text of the system turn; None for no such turn.
        seed: seed of the engine, which is written down.

    Raises:
        ValueError: the longest prompt and the token budget do not fit into the model's context.
    """
    texts = dict(problems.select("id", "problem").iter_rows())
    prompts = {name: render_prompt(engine.tokenizer, texts[name], system_prompt) for name in set(wanted["problem_id"])}
    require_room(list(prompts.values()), drawing.token_budget, engine.context_tokens)
    keys = wanted.rows(named=True)
    for position, drawn in engine.draw([prompts[key["problem_id"]] for key in keys], drawing):
        yield keys[position] | {
            "text": drawn.text,
            "tokens": drawn.tokens,
            "reasoning_tokens": drawn.reasoning_tokens,
            "finish_reason": drawn.finish_reason,
            "seed": seed,
        }


def make_drawing(settings: EvaluateSettings, reading: ReadingSettings) -> Drawing:
    """How an evaluation draws its samples."""
    return Drawing(settings.token_budget, settings.temperature, settings.top_p, settings.min_p, reading.generation_end)


def sample_job(job: SamplingJob, rank: int, report: Callable[[int, Mapping[str, float]], None]) -> int:
    """Draw this process's part of a job with vLLM and write it in shards.

    Args:
        job: the model, the problems and the settings.
        rank: number of this process among the job's engines; it draws every `settings.engines`-th sample.
        report: is told after each sample how many there are, and the tokens per second so far.

    Returns:
        The number of samples that were drawn.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder lacks its weights, configuration or tokenizer.
        fastmath.engine.batch.TokenizerMismatchError: vLLM's token ids differ from those of `AutoTokenizer`.
        ValueError: the longest prompt and the token budget do not fit into the model's context.
    """
    from fastmath.engine.batch import BatchEngine  # late: vLLM, which a trainer's validation may do without

    check_model_folder(job.model_folder)
    problems = read_problems(job.problems)
    pending = list_pending(job).gather_every(job.settings.engines, rank)
    if pending.is_empty():
        return 0
    seed = derive_seed(job, pending.row(0, named=True), rank)
    probes = problems["problem"].head(_TOKENIZER_PROBES).to_list()
    with (
        BatchEngine.load(job.model_folder, job.settings.engine, seed, probes) as engine,
        ShardWriter(job.shards, job.settings.shard_samples, rank) as writer,
    ):
        drawing = make_drawing(job.settings, job.reading)
        began, tokens = time.monotonic(), 0
        rows = draw_rows(engine, pending, problems, drawing, job.system_prompt, seed)
        for count, row in enumerate(rows, 1):
            writer.add(row)
            tokens += row["tokens"]
            report(count, {TOKENS_PER_SECOND: tokens / (time.monotonic() - began)})
    return pending.height


def main() -> None:
    """Draw the part of the job files' samples, one job after the other, that belongs to the rank: `RANK JOB_FILE …`."""
    # By default SIGTERM would skip every `finally`, and leave half-written files and the engine's memory behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"ended by signal {signal.SIGTERM}"))
    rank, job_files = int(sys.argv[1]), sys.argv[2:]
    for job_file in job_files:
        _sample_file(Path(job_file), rank)


def _sample_file(job_file: Path, rank: int) -> None:
    job = SamplingJob.model_validate_json(job_file.read_bytes())
    progress = ProgressFile(job_file.parent, "sample", None, label=job.model)

    def report(done: int, figures: Mapping[str, float]) -> None:
        progress.update(done, figures)
        _end_with_parent()

    try:
        progress.update(sample_job(job, rank, report), last=True)
    except Exception as error:
        error.add_note(f"while the model {job.model}, {job.model_folder}, was sampled")
        raise


def _end_with_parent() -> None:
    """Exit if the notebook that started this process has ended: nobody would use the samples or stop the process."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None and os.getppid() != int(parent):
        sys.exit("the process that asked for these samples is gone")


if __name__ == "__main__":
    main()

"""The sampling process: loads one model after the other into vLLM and writes a parquet file of samples for each.

`fastmath.sampling.jobs` starts it; to start it by hand, name the job file in the stage's folder:

    python -m fastmath.sampling.sampler runs/nano/evaluate/sampling.json
"""

import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from fastmath.engine.batch import BatchEngine, Draw, require_room
from fastmath.prompts import render_prompt
from fastmath.runs.environment import PARENT_VARIABLE
from fastmath.runs.files import write_parquet
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.progress import TOKENS_PER_SECOND, ProgressFile
from fastmath.sampling.jobs import JOBS, SamplingJob, read_problems, sample_seed
from fastmath.sampling.samples import judge_samples

_TOKENIZER_PROBES = 16
_OUTPUT_SPEED = re.compile(r"output: ([\d.]+) toks/s")
"""vLLM's own figure in the postfix of its bar (vllm/entrypoints/offline_utils.py)."""


def sample_model(job: SamplingJob, progress: ProgressFile, earlier: int = 0) -> int:
    """Sample one model with vLLM in this process, judge the samples and write them.

    Args:
        job: the model, the problems and the settings.
        progress: is told how many samples are finished.
        earlier: number of samples of other models that this process has drawn before.

    Returns:
        The number of samples that were drawn.

    Raises:
        fastmath.runs.model_folder.ModelFolderError: the model's folder lacks its weights, configuration or tokenizer.
        fastmath.engine.batch.TokenizerMismatchError: vLLM's token ids differ from those of `AutoTokenizer`.
        ValueError: the longest prompt and the token budget do not fit into the model's context.
    """
    check_model_folder(job.model_folder)
    settings, problems = job.settings, read_problems(job.problems, job.settings.problems)
    probes = problems["problem"].head(_TOKENIZER_PROBES).to_list()
    asked = [(problem_id, sample) for problem_id in problems["id"] for sample in range(settings.samples)]
    with BatchEngine(job.model_folder, settings.engine, job.seed, probes) as engine:
        prompts = {
            problem_id: render_prompt(engine.tokenizer, problem, job.system_prompt)
            for problem_id, problem in problems.select("id", "problem").iter_rows()
        }
        require_room(list(prompts.values()), settings.token_budget, engine.context_tokens)
        draws = [Draw(prompts[name], sample_seed(job.seed, name, sample)) for name, sample in asked]
        drawn = engine.draw(
            draws,
            token_budget=settings.token_budget,
            temperature=settings.temperature,
            top_p=settings.top_p,
            min_p=settings.min_p,
            end=job.reading.generation_end,
            progress=partial(_ProgressReports, report=progress, earlier=earlier),
        )
    rows = [
        (*name, result.text, result.tokens, result.reasoning_tokens, result.finish_reason, draw.seed)
        for name, draw, result in zip(asked, draws, drawn, strict=True)
    ]
    columns = ["problem_id", "sample", "text", "tokens", "reasoning_tokens", "finish_reason", "seed"]
    samples = judge_samples(pl.DataFrame(rows, schema=columns, orient="row"), problems, job.reading.answer_place)
    write_parquet(samples, job.destination, {"fingerprint": job.fingerprint})
    return samples.height


class _ProgressReports(tqdm):
    """A progress bar that reports to a `ProgressFile` instead of drawing itself."""

    def __init__(self, *arguments: Any, report: ProgressFile, earlier: int, **options: Any) -> None:
        self.report, self.earlier = report, earlier
        super().__init__(*arguments, **options | {"mininterval": 1.0, "leave": True})

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Report how many samples are finished; the bar for the rendering of prompts is left out."""
        if self.desc.startswith("Processed"):
            speed = _OUTPUT_SPEED.search(self.postfix or "")
            known = speed is not None and float(speed[1]) > 0  # nothing has been measured before the first sample
            self.report.update(self.earlier + self.n, {TOKENS_PER_SECOND: float(speed[1])} if known else None)
            _end_with_parent()
        return True


def _end_with_parent() -> None:
    """Exit if the notebook that started this process has ended: nobody would use the samples or stop the process."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None and os.getppid() != int(parent):
        sys.exit("the process that asked for these samples is gone")


def main() -> None:
    """Sample every model of the job file named on the command line."""
    # By default SIGTERM would skip every `finally`, and leave half-written files and the engine's memory behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"ended by signal {signal.SIGTERM}"))
    job_file = Path(sys.argv[1])
    jobs = JOBS.validate_json(job_file.read_bytes())
    totals = [read_problems(job.problems, job.settings.problems).height * job.settings.samples for job in jobs]
    progress = ProgressFile(job_file.parent, "sample", sum(totals))
    done = 0
    for job in jobs:
        progress.update(done, label=job.model)
        done += sample_model(job, progress, done)
    progress.update(done, last=True)


if __name__ == "__main__":
    main()

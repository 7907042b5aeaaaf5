"""The sampling process: loads one model after the other into vLLM and writes a parquet file of samples for each.

`fastmath.sampling.jobs` starts it; to start it by hand, name the job file in the stage's folder:

    python -m fastmath.sampling.sampler runs/nano/evaluate/sampling.json
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from fastmath.engine.batch import BatchEngine, Draw, require_room
from fastmath.prompts import render_prompt
from fastmath.runs.files import write_parquet
from fastmath.runs.model_folder import check_model_folder
from fastmath.runs.process import PARENT_VARIABLE
from fastmath.sampling.jobs import JOBS, PROGRESS, SamplingJob, read_problems, sample_seed
from fastmath.sampling.samples import judge_samples

_TOKENIZER_PROBES = 16


def sample_model(job: SamplingJob, progress: Path) -> None:
    """Sample one model with vLLM in this process, judge the samples and write them.

    Args:
        job: the model, the problems and the settings.
        progress: file to which at most one JSON line per second is added, with `model`, `finished` and `total` samples.

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
            progress=partial(_ProgressLines, model=job.model, path=progress),
        )
    rows = [
        (*name, result.text, result.tokens, result.finish_reason, draw.seed)
        for name, draw, result in zip(asked, draws, drawn, strict=True)
    ]
    columns = ["problem_id", "sample", "text", "tokens", "finish_reason", "seed"]
    samples = judge_samples(pl.DataFrame(rows, schema=columns, orient="row"), problems)
    write_parquet(samples, job.destination, {"fingerprint": job.fingerprint})


class _ProgressLines(tqdm):
    """A progress bar that writes JSON lines for `fastmath.sampling.jobs` instead of drawing itself."""

    def __init__(self, *arguments: Any, model: str, path: Path, **options: Any) -> None:
        self.model, self.path = model, path
        super().__init__(*arguments, **options | {"mininterval": 1.0, "leave": True})

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write how many samples are finished; the bar for the rendering of prompts is left out."""
        if self.desc.startswith("Processed"):
            with self.path.open("a") as file:
                file.write(json.dumps({"model": self.model, "finished": self.n, "total": self.total}) + "\n")
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
    for job in JOBS.validate_json(job_file.read_bytes()):
        sample_model(job, job_file.with_name(PROGRESS))


if __name__ == "__main__":
    main()

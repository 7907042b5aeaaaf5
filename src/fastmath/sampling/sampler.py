"""The sampling process: loads one model after the other into vLLM and writes a parquet of samples for each.

`fastmath.sampling.grade` starts it; by hand it runs on the job file that stands in the stage's folder:

    python -m fastmath.sampling.sampler runs/nano/evaluate/sampling.json
"""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from tqdm import tqdm
from transformers import AutoTokenizer
from vllm import LLM, SamplingParams, TokensPrompt
from vllm.distributed import cleanup_dist_env_and_memory

from fastmath.prompts import render_prompt
from fastmath.recipe.sections import EvaluateSettings
from fastmath.sampling.grade import (
    JOBS,
    PROGRESS_MARK,
    SamplingJob,
    grade_samples,
    read_problems,
    sample_seed,
)
from fastmath.engine.expand import find_runnable_checkpoint
from fastmath.runs.model_folder import check_model_folder

_TOKENIZER_PROBES = 16


class TokenizerMismatchError(RuntimeError):
    """vLLM turns text into other token ids than the tokenizer that the model was trained with."""


def sample_model(job: SamplingJob) -> None:
    """Sample one model with vLLM in this process and write its samples.

    Raises:
        ModelFolderError: the model folder is not whole.
        TokenizerMismatchError: vLLM's token ids differ from those of `AutoTokenizer`.
        ValueError: the longest prompt and the token budget do not fit into the model's context.
    """
    check_model_folder(job.model_folder)
    problems = read_problems(job.problems, job.settings.problems)
    tokenizer = AutoTokenizer.from_pretrained(job.model_folder)
    prompts = [render_prompt(tokenizer, problem, job.system_prompt) for problem in problems["problem"]]
    checkpoint = find_runnable_checkpoint(job.model_folder)
    llm = LLM(**engine_arguments(checkpoint, job.settings, job.seed))
    try:
        assert_same_ids(tokenizer, llm.get_tokenizer(), problems["problem"].head(_TOKENIZER_PROBES).to_list())
        assert_prompts_fit(prompts, job.settings.token_budget, llm.model_config.max_model_len)
        rows = list(_generate(llm, problems["id"].to_list(), prompts, job))
    finally:
        del llm
        cleanup_dist_env_and_memory()
    samples = grade_samples(pl.DataFrame(rows, infer_schema_length=None), problems)
    temporary = job.destination.with_suffix(".tmp")
    samples.write_parquet(temporary, metadata={"fingerprint": job.fingerprint})
    temporary.replace(job.destination)


def engine_arguments(model_folder: Path, settings: EvaluateSettings, seed: int) -> dict[str, Any]:
    """Arguments of `vllm.LLM` for one model.

    A recipe's `dtype` is meant for ordinary weights; a quantised checkpoint keeps the one that it was written with,
    which is what its kernels take. On a CPU prompts are not processed in chunks: after a chunk vLLM rewinds the random
    generator of a seeded sample, which CPU generators cannot do.
    """
    arguments: dict[str, Any] = {"model": str(model_folder), "seed": seed}
    if not torch.cuda.is_available():
        arguments["enable_chunked_prefill"] = False
    arguments |= settings.engine.arguments
    config = json.loads((model_folder / "config.json").read_text())
    if "quantization_config" in config:
        arguments.pop("dtype", None)
    return arguments


def _generate(llm: Any, ids: list[str], prompts: list[list[int]], job: SamplingJob) -> Iterator[dict[str, Any]]:
    settings = job.settings
    asked = [(index, sample) for index in range(len(ids)) for sample in range(settings.samples)]
    parameters = [
        SamplingParams(
            seed=sample_seed(job.seed, ids[index], sample),
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.token_budget,
            # The end of the reasoning is a stop token; without these it would be missing from the text.
            include_stop_str_in_output=True,
            skip_special_tokens=False,
        )
        for index, sample in asked
    ]
    requests = [TokensPrompt(prompt_token_ids=prompts[index]) for index, _ in asked]
    results = llm.generate(requests, parameters, use_tqdm=partial(_ProgressLines, model=job.model))
    for (index, sample), parameter, result in zip(asked, parameters, results, strict=True):
        completion = result.outputs[0]
        yield {
            "problem_id": ids[index],
            "sample": sample,
            "text": completion.text,
            "tokens": len(completion.token_ids),
            "finish_reason": completion.finish_reason,
            "seed": parameter.seed,
        }


def assert_same_ids(tokenizer: Any, engine_tokenizer: Any, texts: Sequence[str]) -> None:
    """Refuse an engine whose tokenizer encodes or decodes any of `texts` differently.

    Raises:
        TokenizerMismatchError: it does.
    """
    for text in texts:
        wanted, found = tokenizer.encode(text), engine_tokenizer.encode(text)
        if wanted != found or tokenizer.decode(wanted) != engine_tokenizer.decode(found):
            raise TokenizerMismatchError(
                f"AutoTokenizer gives {wanted[:12]} for {text[:60]!r} and vLLM's tokenizer {found[:12]}; want the same "
                "ids: save the tokenizer as the class that the model's configuration names"
            )


def assert_prompts_fit(prompts: Sequence[Sequence[int]], token_budget: int, context: int) -> None:
    """Refuse prompts that leave less than the token budget of the model's context; all counts in tokens.

    Raises:
        ValueError: the longest prompt does.
    """
    longest = max(len(prompt) for prompt in prompts)
    if longest + token_budget > context:
        raise ValueError(
            f"the longest prompt has {longest} tokens and `evaluate.token_budget` is {token_budget}, together more "
            f"than the context of {context}; lower the budget or raise `evaluate.engine.arguments.max_model_len`"
        )


class _ProgressLines(tqdm):
    """A progress bar that writes JSON lines for `fastmath.sampling.grade` instead of drawing itself."""

    def __init__(self, *arguments: Any, model: str, **options: Any) -> None:
        self.model = model
        super().__init__(*arguments, **options | {"mininterval": 1.0, "leave": True})

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write how many samples are finished; rendering of the prompts, the other phase, is not shown."""
        if self.desc.startswith("Processed"):
            progress = {"model": self.model, "finished": self.n, "total": self.total}
            sys.stdout.write(f"{PROGRESS_MARK}{json.dumps(progress)}\n")
            sys.stdout.flush()
        return True


def main() -> None:
    """Sample every model of the job file named on the command line."""
    (job_file,) = sys.argv[1:]
    for job in JOBS.validate_json(Path(job_file).read_bytes()):
        sample_model(job)


if __name__ == "__main__":
    main()

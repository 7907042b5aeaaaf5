"""A kernel on a scripted engine, asked in its own process."""

import json
import time
from pathlib import Path

import polars as pl

from fastmath.answers.contests import CONTESTS
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import Sampling
from fastmath.kernel.journal import Journal
from fastmath.kernel.kernel import Kernel
from fastmath.kernel.solver import SolverRules
from fastmath.policies.clock import ClockRules
from fastmath.prompts import GenerationEnd
from helpers.fixed_policy import FixedPolicy
from helpers.scripted_engine import Sample, ScriptedEngine


def make_kernel(
    folder: Path,
    *script: Sample,
    seconds: float = 20.0,
    questions: int = 2,
    stop: GenerationEnd = "think_end",
    **rules: float,
) -> Kernel:
    engine = ScriptedEngine(script)
    return Kernel(
        keeper=EngineKeeper(lambda *_: engine),
        profile=CONTESTS["aimo2"],
        system_prompt=None,
        sampling=Sampling(64, 1.0, 1.0, stop),
        rules=SolverRules(fallback_answer=5, **rules),
        policy=FixedPolicy(),
        clock=ClockRules(seconds, questions, reserve_share=0.0),
        journal=Journal(folder / "questions.jsonl", {"model": "scripted"}),
    )


def read_record(folder: Path) -> dict:
    """The last record; on a busy machine it may come some moments after the answer."""
    path, patience = folder / "questions.jsonl", time.monotonic() + 30
    while not (path.exists() and path.read_text().endswith("\n")) and time.monotonic() < patience:
        time.sleep(0.01)
    return json.loads(path.read_text().splitlines()[-1])


def ask(kernel: Kernel) -> pl.DataFrame:
    return kernel.predict(pl.Series(["a"]), pl.Series(["What is 3+4?"]))

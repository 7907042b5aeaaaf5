"""The full vote, which every rule is measured against: all samples of a question run to their ends and vote."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fastmath.answers.contests import ContestProfile
from fastmath.engine.vllm import Engine, Sampling
from fastmath.kernel.driver import Driver
from fastmath.kernel.solver import Solver, SolverRules
from fastmath.policies.clock import ClockRules, tell_time
from fastmath.policies.plan import History
from fastmath.policies.public import PublicPolicy
from fastmath.policies.voting import leading_answer

AMPLE_SECONDS = 1e6
"""Longer than any question takes."""


@dataclass(frozen=True)
class FullVote:
    """What a full vote gave: its answer, None where no sample had one, and the tokens of all samples."""

    answer: int | None
    tokens: int


async def vote_in_full(
    engine: Engine,
    prompt: Sequence[int],
    sampling: Sampling,
    profile: ContestProfile,
    samples: int,
    name: str,
    seconds: float = AMPLE_SECONDS,
) -> FullVote:
    """Let all samples of a question vote; only on the engine's own event loop.

    Args:
        engine: draws the samples, through the kernel's own driver.
        prompt: token ids of the question.
        sampling: how samples are drawn.
        profile: the contest, which says what counts as an answer.
        samples: number of samples, all started at once.
        name: of the question, unique within the engine's life.
        seconds: after which samples that are still running vote no more.

    Raises:
        EngineLostError: the engine has died, or gives no token.
    """
    began = time.monotonic()
    time_left = tell_time(ClockRules(seconds, 1, reserve_share=0.0, spare_questions=0), elapsed=0.0, answered=0)
    plan = PublicPolicy().plan(time_left, samples, slowdown=1.0, history=History())
    solver = Solver(SolverRules(), plan)
    await Driver(engine, solver, prompt, sampling, profile, name, lambda: time.monotonic() - began).run()
    return FullVote(leading_answer(solver.tally), sum(solver.tokens.values()))

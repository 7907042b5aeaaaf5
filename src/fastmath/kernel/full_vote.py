"""The full vote, the reference for every stop rule: all samples of a question run to their ends and vote."""

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
"""Default time limit of a full vote; longer than any question takes."""


@dataclass(frozen=True)
class FullVote:
    """Result of a full vote.

    Attributes:
        answer: answer with the most votes; None = no sample had one.
        tokens: number of tokens that all samples generated.
    """

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
    hang_seconds: float = 60.0,
) -> FullVote:
    """Let all samples of a question vote; must run on the engine's event loop.

    Args:
        engine: engine that draws the samples, through the kernel's own driver.
        prompt: token ids of the question's prompt.
        sampling: sampling parameters.
        profile: the contest, which decides what counts as an answer.
        samples: number of samples, all started at once.
        name: name of the question, unique within the engine's life.
        seconds: time limit in seconds; samples that are still running then are aborted and do not vote.
        hang_seconds: time without a token from any running sample after which the engine counts as lost, in seconds.

    Raises:
        EngineLostError: the engine has died, or has generated no token for `hang_seconds`.
        RuntimeError: a sample failed, so that this would be no full vote.
    """
    began = time.monotonic()

    def elapsed() -> float:
        return time.monotonic() - began

    time_left = tell_time(ClockRules(seconds, 1, reserve_share=0.0, spare_questions=0), elapsed=0.0, answered=0)
    plan = PublicPolicy().plan(time_left, samples, slowdown=1.0, history=History())
    solver = Solver(SolverRules(), plan)
    await Driver(engine, solver, prompt, sampling, profile, name, elapsed, hang_seconds).run()
    if solver.errors:
        raise RuntimeError(f"{len(solver.errors)} of {samples} samples failed: {next(iter(solver.errors.values()))}")
    return FullVote(leading_answer(solver.tally), sum(solver.tokens.values()))

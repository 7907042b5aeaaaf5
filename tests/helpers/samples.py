"""Samples of a model as arrays, without a model."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from fastmath.evaluation.metrics import SampleArrays


def make_arrays(answers: Any, tokens: Any = None, prefix: str = "p") -> SampleArrays:
    """Samples of the problems p0, p1, …; code 0 is the right answer, -1 none, and a sample has 10 tokens by default."""
    answers = np.array(answers, dtype=np.int64)
    tokens = np.full(answers.shape, 10) if tokens is None else np.array(tokens, dtype=np.int64)
    return SampleArrays(
        problems=tuple(f"{prefix}{index}" for index in range(len(answers))),
        answers=answers,
        correct=answers == 0,
        tokens=tokens,
        reasoning_tokens=tokens,
        cut_off=np.zeros(answers.shape, dtype=bool),
    )


@st.composite
def sample_arrays(draw: st.DrawFn) -> SampleArrays:
    """Up to four problems with up to six samples each, of up to four answers."""
    problems, samples = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    size = problems * samples
    answers = np.array(draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))).reshape(problems, samples)
    tokens = np.array(draw(st.lists(st.integers(1, 50), min_size=size, max_size=size))).reshape(problems, samples)
    return make_arrays(answers, tokens)

"""Tables of samples and problems for tests of formats: small ones that hypothesis draws, and one by hand."""

import polars as pl
from hypothesis import strategies as st

from fastmath.sampling.jobs import PROBLEM_SCHEMA
from fastmath.sampling.samples import SAMPLE_SCHEMA

PROBLEMS = pl.DataFrame([("p", "3 + 4?", "7"), ("q", "5 + 6?", "11")], schema=PROBLEM_SCHEMA, orient="row")
SAMPLES = pl.DataFrame(
    [
        ("p", 0, r"\boxed{7}</think>", "7", True, 5, 4, "stop", 11),
        ("p", 1, "and so", None, False, 9, 9, "length", 12),
        ("q", 0, r"\boxed{10}</think>", "10", False, 6, 5, "stop", 13),
        ("q", 1, r"\boxed{11}</think>", "11", True, 7, 6, "stop", 14),
    ],
    schema=SAMPLE_SCHEMA,
    orient="row",
)

_INTEGERS = st.integers(-99, 1200).map(str)
_ANSWERS = st.one_of(_INTEGERS, st.sampled_from(["x+1", r"\frac{1}{2}", "(1, 2)"]))
_TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))


@st.composite
def draw_tables(draw, integers=False):
    """A table of samples with the same number of samples for every problem, and the table of its problems.

    As in every table of ours, a sample without an answer is wrong.

    Args:
        integers: whether ids and answers are whole numbers alone, which are judged without worker processes.
    """
    answers = _INTEGERS if integers else _ANSWERS
    ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
    ids = st.integers(0, 10**6).map(str) if integers else ids
    names = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    count = draw(st.integers(1, 3))
    rows = [_draw_sample(draw, name, number, answers) for name in names for number in range(count)]
    problems = [(name, f"problem {place}", draw(answers)) for place, name in enumerate(names)]
    return (
        pl.DataFrame(rows, schema=SAMPLE_SCHEMA, orient="row"),
        pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row"),
    )


def _draw_sample(draw, name, number, answers):
    answer, tokens = draw(st.none() | answers), draw(st.integers(0, 40_000))
    correct = answer is not None and draw(st.booleans())
    reasoning, end = draw(st.integers(0, tokens)), draw(st.sampled_from(["stop", "length"]))
    return (name, number, draw(_TEXTS), answer, correct, tokens, reasoning, end, draw(st.integers(0, 2**40)))

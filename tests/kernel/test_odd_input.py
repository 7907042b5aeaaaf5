"""Whatever `predict` is handed, it returns one row of a string id and an int64 answer, and keeps what it knows."""

import logging
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import Engine
from fastmath.recipe.inference import KernelSettings
from helpers.chaos import EXCEPTIONS
from helpers.scripted_engine import Sample, ScriptedEngine, boxed
from helpers.scripted_kernel import make_kernel, read_record


class Hostile:
    """A value that cannot be read."""

    def to_list(self) -> list[str]:
        raise SystemExit(1)


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (pl.Series(["a"]), "a"),
        (pd.Series(["a"]), "a"),
        ("a", "a"),
        (b"a", "a"),
        (5, "5"),
        (None, ""),
        (pl.Series([], dtype=pl.String), ""),
        ("\ud800", "?"),
        (Hostile(), ""),
    ],
)
def test_any_id_comes_back_as_a_string_with_an_answer(tmp_path: Path, identifier: object, name: str) -> None:
    prediction = make_kernel(tmp_path, boxed(7)).predict(identifier, "What is 3+4?")
    assert dict(prediction.schema) == {"id": pl.String, "answer": pl.Int64}
    assert prediction.rows() == [(name, 7)]


@pytest.mark.parametrize(
    "question",
    [
        "",
        None,
        float("nan"),
        pl.Series([None], dtype=pl.String),
        "\x00",
        "\ud83d",
        "שלום \u202e",
        "x " * 25_000,
        b"\xff",
    ],
)
def test_any_question_is_asked(tmp_path: Path, question: object) -> None:
    assert make_kernel(tmp_path, boxed(7)).predict("a", question).row(0) == ("a", 7)


def test_a_question_that_cannot_be_read_is_asked_as_an_empty_one(tmp_path: Path) -> None:
    assert make_kernel(tmp_path, boxed(7)).predict("a", Hostile()).row(0) == ("a", 7)


def test_a_question_without_a_text_is_answered(tmp_path: Path) -> None:
    assert make_kernel(tmp_path, boxed(7)).predict("a").row(0) == ("a", 7)


def test_a_prompt_leaves_its_samples_half_of_the_context(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7))
    seen: list[int] = []
    engine = kernel.keeper.wait(None)
    stream = engine.stream

    def watch(request_id: str, prompt: list[int], sampling: object) -> object:
        seen.append(len(prompt))
        return stream(request_id, prompt, sampling)

    engine.stream = watch
    kernel.predict("a", "3+4 " * 12_500)
    # A context of 1024 and a budget of 64 tokens: 960 are left.
    assert set(seen) == {960}


# In the main thread an interrupt is the person's own, see test_interrupt_passes_through.
@pytest.mark.parametrize("make", [make for make in EXCEPTIONS if make is not KeyboardInterrupt])
def test_an_engine_that_does_not_start_is_tried_again_within_the_question(tmp_path: Path, make: object) -> None:
    engines = iter([make(), ScriptedEngine([boxed(7)])])

    def start(*_: object) -> Engine:
        engine = next(engines)
        if isinstance(engine, BaseException):
            raise engine
        return engine

    kernel = make_kernel(tmp_path, boxed(7))
    kernel.keeper = EngineKeeper(start)
    assert kernel.predict("a", "What is 3+4?").row(0) == ("a", 7)


def test_every_logged_error_is_below_8_kb(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> Engine:
        raise RuntimeError("π" * 100_000)

    kernel = make_kernel(tmp_path, Sample(error=RuntimeError("π" * 100_000)))
    with caplog.at_level(logging.DEBUG):
        kernel.predict("a", "What is 3+4?")
        kernel.keeper = EngineKeeper(fail)
        kernel.predict("b" * 100_000, "What is 3+4?")
    formatted = [logging.Formatter().format(record).encode() for record in caplog.records]
    assert formatted
    assert max(map(len, formatted)) < 8192


def test_an_error_in_the_journal_is_below_8_kb(tmp_path: Path) -> None:
    make_kernel(tmp_path, Sample(error=RuntimeError("π" * 100_000))).predict("a", "What is 3+4?")
    assert len(read_record(tmp_path)["error"].encode()) < 8192


@pytest.mark.parametrize("fallback", [-1, 1000])
def test_a_fallback_outside_the_contest_is_refused(fallback: int) -> None:
    with pytest.raises(ValueError, match=rf"fallback_answer.* is {fallback}.* 0 to 999"):
        KernelSettings(profile="aimo2", fallback_answer=fallback)


def test_an_unknown_contest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"aimo9.*want one of aimo1, aimo2, aimo3"):
        KernelSettings(profile="aimo9")

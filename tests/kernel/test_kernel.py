"""One question end to end: it is always answered, in time, and written down."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import polars as pl
import pytest

from fastmath.contest.gateway import LocalGateway
from fastmath.engine.supervision import EngineKeeper
from fastmath.engine.vllm import Chunk, Engine, Sampling
from fastmath.kernel.journal import Journal
from helpers.fixed_policy import FixedPolicy
from helpers.scripted_engine import Sample, ScriptedEngine, boxed
from helpers.scripted_kernel import ask, make_kernel, read_record


def test_agreeing_samples_are_answered(tmp_path: Path) -> None:
    assert ask(make_kernel(tmp_path, boxed(7))).row(0) == ("a", 7)


def test_answer_has_the_contest_schema(tmp_path: Path) -> None:
    assert ask(make_kernel(tmp_path, boxed(7))).schema == {"id": pl.String, "answer": pl.Int64}


def test_plain_text_is_taken_like_a_series(tmp_path: Path) -> None:
    assert make_kernel(tmp_path, boxed(7)).predict("a", "What is 3+4?").row(0) == ("a", 7)


def test_decided_vote_starts_no_second_wave(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, boxed(7)))
    assert read_record(tmp_path)["samples"] == 2


def test_split_vote_is_settled_by_the_later_waves(tmp_path: Path) -> None:
    answer = ask(make_kernel(tmp_path, boxed(3), boxed(7), boxed(7), boxed(7), boxed(7), boxed(7))).item(0, "answer")
    assert answer == 7


def test_straggler_is_aborted(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7), boxed(3), boxed(7, 60.0), boxed(7), boxed(7), boxed(7), boxed(7), boxed(7))
    ask(kernel)
    assert "q0-2" in kernel.keeper.wait(None).aborted


def test_deadline_answers_the_vote_so_far(tmp_path: Path) -> None:
    # One even share of 1 s; the second sample would take a minute.
    ask(make_kernel(tmp_path, boxed(7), boxed(7, 60.0), seconds=2.0))
    record = read_record(tmp_path)
    assert (record["answer"], record["reason"], record["seconds"] < 1.0) == (7, "clock", True)


def test_without_votes_the_fallback_is_answered(tmp_path: Path) -> None:
    assert ask(make_kernel(tmp_path, Sample("no idea</think>"))).item(0, "answer") == 5


def test_failing_samples_do_not_stop_the_question(tmp_path: Path) -> None:
    script = [Sample(error=RuntimeError("engine dead")), *[boxed(7)] * 7]
    assert ask(make_kernel(tmp_path, *script)).item(0, "answer") == 7


def test_failure_of_a_sample_is_journaled(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, Sample(error=RuntimeError("engine dead"))))
    assert read_record(tmp_path)["error"] == "RuntimeError: engine dead"


@pytest.mark.parametrize("error", [RuntimeError("no memory"), SystemExit(3), MemoryError()])
def test_engine_that_does_not_start_costs_no_answer(tmp_path: Path, error: BaseException) -> None:
    def fail(*_: object) -> Engine:
        raise error

    kernel = make_kernel(tmp_path, boxed(7))
    kernel.keeper = EngineKeeper(fail)
    assert ask(kernel).row(0) == ("a", 5)


def test_interrupt_passes_through(tmp_path: Path) -> None:
    def interrupt(*_: object) -> Engine:
        raise KeyboardInterrupt

    kernel = make_kernel(tmp_path, boxed(7))
    kernel.keeper = EngineKeeper(interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(kernel)


def test_journal_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7))
    kernel.journal = Journal(tmp_path / "missing" / "questions.jsonl", {})
    assert ask(kernel).item(0, "answer") == 7


def test_tokens_of_all_samples_are_counted(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7))
    ask(kernel)
    tokens = len(kernel.keeper.wait(None).tokenizer(boxed(7).text)["input_ids"])
    # Two samples finished whole; no other was started.
    assert read_record(tmp_path)["tokens"] == 2 * tokens


def test_contest_past_its_limit_is_still_answered_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("id,problem\n" + "".join(f"q{i},What is {i}+4?\n" for i in range(6)))
    kernel = make_kernel(tmp_path, boxed(7, 60.0), seconds=0.5, questions=6)
    assert LocalGateway(kernel.predict).run(path, tmp_path).height == 6


def test_without_time_no_sample_is_started(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7), seconds=0.2)
    kernel.predict("a", "What is 3+4?")
    time.sleep(0.3)
    assert kernel.predict("b", "What is 3+4?").item(0, "answer") == 5
    assert read_record(tmp_path)["samples"] == 0


def test_prompt_of_any_text_is_answered(tmp_path: Path) -> None:
    assert make_kernel(tmp_path, boxed(7)).predict(pl.Series([3]), pl.Series(["\x00 𝛑 </think>"])).height == 1


def test_sample_that_stops_at_its_box_votes_before_its_reasoning_ends(tmp_path: Path) -> None:
    # Both samples have their box at once and would take a minute to end.
    ask(make_kernel(tmp_path, boxed(7, 60.0), stop="box"))
    assert read_record(tmp_path)["reason"] == "posterior"


def test_reasoning_that_goes_on_has_no_vote_yet(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, boxed(7, 60.0), seconds=1.0))
    assert read_record(tmp_path)["votes"] == []


def test_before_the_deadline_live_samples_are_made_to_answer(tmp_path: Path) -> None:
    # All samples would take a minute; asked for their answers they say 9.
    answer = ask(make_kernel(tmp_path, boxed(7, 60.0), seconds=2.0, harvest_seconds=0.5)).item(0, "answer")
    assert (answer, set(read_record(tmp_path)["votes"])) == (9, {9})


def test_a_harvest_breaks_a_tie_that_time_has_left(tmp_path: Path) -> None:
    script = [boxed(7), boxed(3), *[boxed(3, 60.0)] * 6]
    assert ask(make_kernel(tmp_path, *script, seconds=2.0, harvest_seconds=0.5)).item(0, "answer") == 9


def test_reasoning_that_its_budget_cut_has_no_vote(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, Sample("So \\boxed{7}, but", cut=True)))
    assert read_record(tmp_path)["votes"] == []


def test_time_between_questions_is_kept_for_those_to_come(tmp_path: Path) -> None:
    # Samples that never end and a policy that gives the first questions all there is: 0.05 s of server a question would
    # take the contest most of 20 * 0.05 = 1 s past its limit of 4 s.
    kernel = make_kernel(tmp_path, boxed(7, 60.0), seconds=4.0, questions=20)
    kernel.policy = FixedPolicy(shares=4.0)
    for index in range(20):
        kernel.predict(f"q{index}", "What is 3+4?")
        time.sleep(0.05)
    assert kernel._elapsed() < 4.2


class SilentEngine(ScriptedEngine):
    """An engine that takes requests and has not a token for them; it knows of no request that it could abort."""

    async def stream(self, request_id: str, prompt: Sequence[int], sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        await asyncio.sleep(60)
        yield Chunk((), "stop")


def test_samples_without_a_token_are_not_waited_for(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, seconds=0.4)
    kernel.keeper = EngineKeeper(lambda *_: SilentEngine([]))
    ask(kernel)
    record = read_record(tmp_path)
    # Waiting for them to confirm their abortion took a quarter of a second.
    assert record["elapsed_seconds"] - record["started_seconds"] - record["deadline_seconds"] < 0.15
    assert record["error"] is None

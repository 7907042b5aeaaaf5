"""The journal: on disk at once, one contest's alone, and the place from which a restarted kernel goes on."""

import errno
import json
import threading
import time
from pathlib import Path

import pytest

from fastmath.engine.supervision import EngineKeeper
from fastmath.kernel.journal import Journal, JournalError, QuestionRecord, read_records
from helpers.scripted_engine import ScriptedEngine, boxed
from helpers.scripted_kernel import ask, make_kernel, read_record

IDENTITY = {"model": "a", "contest": "aimo2", "run": "nano, seed 0"}


def record(identifier: str, answer: int = 7, elapsed: float = 1.0, text_hash: str = "a") -> QuestionRecord:
    return QuestionRecord(
        *(identifier, answer, "posterior", [answer], 2, 80, 0.5, 1.0, 2.0, elapsed, None), text_hash=text_hash
    )


def test_a_restarted_journal_knows_what_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    Journal(path, IDENTITY).write(record("q1"))
    assert Journal(path, IDENTITY).answers == {("q1", "a"): 7}


@pytest.mark.parametrize("name", IDENTITY)
def test_the_journal_of_another_model_contest_or_run_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "questions.jsonl"
    Journal(path, IDENTITY).write(record("q1"))
    with pytest.raises(JournalError, match=r"is the journal of .* move it away"):
        Journal(path, IDENTITY | {name: "another"})


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    journal = Journal(path, IDENTITY)
    journal.write(record("q1"))
    with path.open("a") as file:
        file.write('{"id": "q2", "answ')
    assert [line["id"] for line in read_records(path)] == ["q1"]


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    Journal(path, IDENTITY).write(record("q1"))
    with path.open("a") as file:
        file.write('{"id": "q2", "answ')
    Journal(path, IDENTITY).write(record("q3"))
    assert Journal(path, IDENTITY).answers == {("q1", "a"): 7, ("q3", "a"): 7}


class FullDisk(Journal):
    """A journal whose disk is full as long as `is_full`, after half of what it is given."""

    is_full = True

    def _append(self, lines: str) -> None:
        if self.is_full:
            with self.path.open("a") as file:
                file.write(lines[: len(lines) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._append(lines)


def test_what_a_full_disk_has_not_taken_is_written_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    journal = FullDisk(path, IDENTITY)
    journal.write(record("q1"))
    journal.is_full = False
    journal.write(record("q2"))
    assert [line["id"] for line in read_records(path)] == ["q1", "q2"]


class StuckDisk(Journal):
    """A journal whose first write hangs until `free`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, IDENTITY)
        self.free, self.is_writing = threading.Event(), threading.Event()

    def _append(self, lines: str) -> None:
        self.is_writing.set()
        self.free.wait(10)
        super()._append(lines)


def test_a_stuck_write_takes_later_records_along_and_holds_nobody_up(tmp_path: Path) -> None:
    journal = StuckDisk(tmp_path / "questions.jsonl")
    first = threading.Thread(target=journal.write, args=(record("q1"),))
    first.start()
    journal.is_writing.wait(10)
    journal.write(record("q2"))  # returns at once
    journal.free.set()
    first.join(10)
    assert [line["id"] for line in read_records(journal.path)] == ["q1", "q2"]


def test_time_passes_while_the_kernel_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "questions.jsonl"
    Journal(path, IDENTITY).write(record("q1"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 100)
    assert Journal(path, IDENTITY).elapsed == pytest.approx(100, abs=1)


def test_a_clock_that_was_set_back_gives_no_time_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "questions.jsonl"
    Journal(path, IDENTITY).write(record("q1", elapsed=50.0))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert Journal(path, IDENTITY).elapsed == 50.0


def test_a_question_asked_twice_is_answered_from_the_journal(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7))
    first, second = ask(kernel), ask(kernel)
    assert first.equals(second)
    assert len(read_records(tmp_path / "questions.jsonl")) == 1


def test_a_restarted_kernel_does_not_ask_its_engine_again(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, boxed(7)))
    assert ask(make_kernel(tmp_path, boxed(3))).item(0, "answer") == 7


def test_a_restarted_kernel_gets_no_time_back(tmp_path: Path) -> None:
    # Ten of twenty seconds were gone at the last answer, so less is left than a fresh kernel would have.
    ask(make_kernel(tmp_path, boxed(7)))
    line = read_record(tmp_path) | {"elapsed_seconds": 10.0}
    (tmp_path / "questions.jsonl").write_text(json.dumps(line) + "\n")
    restarted = make_kernel(tmp_path, boxed(7))
    assert restarted._elapsed() == pytest.approx(10.0, abs=1.0)


def test_a_question_with_the_id_of_another_one_is_asked(tmp_path: Path) -> None:
    kernel = make_kernel(tmp_path, boxed(7))
    kernel.predict("a", "What is 3+4?")
    kernel.keeper = EngineKeeper(lambda *_: ScriptedEngine([boxed(3)]))
    assert kernel.predict("a", "What is 1+2?").row(0) == ("a", 3)
    assert kernel.predict("a", "What is 3+4?").row(0) == ("a", 7)
    assert [line["answer"] for line in read_records(tmp_path / "questions.jsonl")] == [7, 3]


def test_the_journal_of_other_questions_with_the_same_ids_gives_no_answer(tmp_path: Path) -> None:
    make_kernel(tmp_path, boxed(7)).predict("1", "What is 3+4?")
    assert make_kernel(tmp_path, boxed(3)).predict("1", "What is 1+2?").row(0) == ("1", 3)


def test_a_journal_without_the_questions_texts_is_read_but_gives_no_answer(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, boxed(7)))
    old = {name: value for name, value in read_record(tmp_path).items() if name not in ("text_hash", "engine_starts")}
    (tmp_path / "questions.jsonl").write_text(json.dumps(old) + "\n")
    restarted = make_kernel(tmp_path, boxed(3))
    assert (restarted.journal.answers, restarted.journal.engine_starts) == ({("a", ""): 7}, 0)
    assert ask(restarted).item(0, "answer") == 3


def test_engines_are_counted_across_restarts(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, boxed(7)))
    assert read_record(tmp_path)["engine_starts"] == 1
    make_kernel(tmp_path, boxed(7)).predict("b", "What is 1+2?")
    assert read_record(tmp_path)["engine_starts"] == 2


def test_a_restarted_kernel_loads_in_its_first_call_even_if_it_knows_that_answer(tmp_path: Path) -> None:
    # Later calls have a limit, which the load of a model may be too long for.
    ask(make_kernel(tmp_path, boxed(7), questions=3))
    restarted = make_kernel(tmp_path, boxed(7), questions=3)
    ask(restarted)
    assert restarted.keeper.is_up


def test_a_restarted_kernel_that_knows_all_answers_loads_nothing(tmp_path: Path) -> None:
    ask(make_kernel(tmp_path, boxed(7), questions=1))
    restarted = make_kernel(tmp_path, boxed(7), questions=1)
    ask(restarted)
    assert restarted.keeper.starts == 0

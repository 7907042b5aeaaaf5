"""Which error of a failed training is shown, and what is advised."""

import errno
import os

import pytest

from fastmath.training.failure import RankError, explain_failure, find_cause

PEER = RankError(
    0, "RuntimeError: [gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4242", "Trace"
)
OWN = RankError(
    3, "ValueError: no such column", "Traceback (most recent call last):\n  line\nValueError: no such column"
)
ELASTIC = """
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
======================================================
fastmath.training.sft FAILED
------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-25_09:24:23
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 6012)  (SIGTERM)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 6012
------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-25_09:24:23
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : -9 (pid: 6013)  (SIGKILL)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 6013
======================================================
"""


def test_the_first_error_that_is_no_consequence_of_another_is_the_cause():
    assert find_cause([PEER, OWN], "") == OWN


def test_a_rank_that_was_killed_is_the_cause_of_its_peers_errors():
    cause = find_cause([PEER], ELASTIC)
    assert (cause.rank, "signal 9 (SIGKILL" in cause.message) == (1, True)


def test_a_single_process_that_was_killed_is_found_in_accelerate_s_words():
    log = "subprocess.CalledProcessError: Command '['python']' died with <Signals.SIGABRT: 6>."
    assert "signal 6 (SIGABRT)" in find_cause([], log).message


def test_what_a_killed_rank_printed_last_is_quoted():
    printed = "step 3\rstep 4\nterminate called without an active exception\n"
    launcher = "W1127 20:56:53 api.py:1028] Sending process 6012 closing signal SIGTERM\nE1127 failed (exitcode: -9)\n"
    message = explain_failure([], printed + launcher + ELASTIC, "sft", {})
    assert message.endswith("printed before it:\nstep 3\nstep 4\nterminate called without an active exception")


def test_without_files_the_first_traceback_of_the_log_is_shown():
    log = "start\nTraceback (most recent call last):\n  File 'a'\n    raise\nKeyError: 'first'\nmore\nTraceback (most "
    log += "recent call last):\n  File 'b'\nKeyError: 'second'\n"
    assert find_cause([], log).message == "KeyError: 'first'"


def test_without_any_error_the_end_of_the_log_is_shown():
    assert explain_failure([], "one\ntwo", "sft", {}) == "the end of the log:\none\ntwo"


@pytest.mark.parametrize(
    ("message", "setting"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
            "per_device_train_batch_size` (now 16)",
        ),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory", "batch_size"),
        ("NotFiniteError: the loss is nan at step 3 of 9", "learning_rate` (now 0.1)"),
        (f"OSError: [Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}", "save_total_limit"),
        ("RuntimeError: [Rank 1] Watchdog caught collective operation timeout", "ddp_timeout"),
    ],
    ids=["memory of a GPU", "memory of a CPU", "nan", "disk", "time-out"],
)
def test_what_to_change_is_named_where_it_is_known(message, setting):
    trainer = {"per_device_train_batch_size": 16, "learning_rate": 0.1}
    assert setting in explain_failure([RankError(0, message, "")], "", "sft", trainer)


def test_an_error_of_an_unknown_kind_brings_no_advice():
    assert "to mend it" not in explain_failure([OWN], "", "sft", {})


def test_the_end_of_the_traceback_is_shown():
    assert explain_failure([OWN], "", "sft", {}).splitlines()[0] == "rank 3: ValueError: no such column"


def test_a_rehearsal_that_ran_out_of_memory_says_itself_what_to_lower():
    error = RankError(1, "RehearsalMemoryError: the memory does not suffice\n- lower this", "Traceback\n  line")
    wanted = "rank 1: RehearsalMemoryError: the memory does not suffice\n- lower this"
    assert explain_failure([error], "", "grpo", {}) == wanted

"""Locks of run folders, with a real second process."""

import subprocess
import sys
import time

import pytest

from fastmath.runs.locks import (
    RunLockedError,
    hold_alone,
    hold_together,
    is_held,
    stage_lock,
    trainer_lock,
    wait_until_free,
)

HOLD = """
import sys, time
from pathlib import Path
from fastmath.runs.locks import hold_alone, hold_together
with {"alone": hold_alone, "together": hold_together}[sys.argv[1]](Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


@pytest.fixture
def lock(tmp_path):
    return trainer_lock(tmp_path / "sft")


def start_holder(how: str, lock, seconds: float) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLD, how, str(lock), str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_locks_lie_beside_their_folder(tmp_path):
    assert stage_lock(tmp_path / "sft").parent == trainer_lock(tmp_path / "sft").parent == tmp_path


def test_a_lock_that_is_held_alone_names_the_process_that_holds_it(lock):
    process = start_holder("alone", lock, 60)
    with (
        pytest.raises(RunLockedError, match=rf"another process \(pid {process.pid}\) is writing to .*/sft"),
        hold_alone(lock),
    ):
        pass
    process.kill()
    process.wait()


def test_the_ranks_of_one_training_hold_their_lock_together(lock):
    process = start_holder("together", lock, 60)
    with hold_together(lock):
        assert is_held(lock)
    process.kill()
    process.wait()


def test_a_lock_ends_with_its_process(lock):
    process = start_holder("together", lock, 60)
    process.kill()
    process.wait()
    assert not is_held(lock)


def test_whoever_waits_is_told_once_for_whom(lock):
    process = start_holder("together", lock, 1)
    said = []
    began = time.monotonic()
    wait_until_free(lock, said.append)
    assert (len(said), str(process.pid) in said[0], time.monotonic() - began > 0.5) == (1, True, True)
    process.wait()


def test_nobody_waits_for_a_lock_that_is_free(lock):
    said = []
    wait_until_free(lock, said.append)
    assert said == []

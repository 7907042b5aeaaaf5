"""Child processes: their output, their failures, and that none outlives whoever followed it."""

import os
import signal
import subprocess
import sys
import time
from unittest.mock import patch

import psutil
import pytest

from fastmath.runs.process import ChildFailedError, end_child, kill_tree, name_command, run_child, start_child

SLEEPER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("up", flush=True)
time.sleep(60)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(tmp_path, code, watch=lambda: None, stop=kill_tree, **environment):
    run_child(python(code), log=tmp_path / "log", environment=environment, watch=watch, stop=stop)


def start_family(tmp_path) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """A child that has started one of its own, in another session."""
    child = start_child(python(SLEEPER), log=tmp_path / "log", environment={})
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    return child, [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]


def test_output_of_both_streams_stands_in_the_log(tmp_path):
    run(tmp_path, "import sys; print('out', flush=True); sys.stderr.write('error')")
    assert (tmp_path / "log").read_text() == "out\nerror"


def test_a_child_knows_its_environment_and_who_follows_it(tmp_path):
    run(tmp_path, "import os; print(os.environ['A'], os.environ['FASTMATH_PARENT_PID'])", A="1")
    assert (tmp_path / "log").read_text().split() == ["1", str(os.getpid())]


def test_a_second_run_adds_to_the_log_and_shows_its_own_lines_alone(tmp_path):
    run(tmp_path, "print('first')")
    with pytest.raises(ChildFailedError, match=r"log:\nsecond\Z"):
        run(tmp_path, "print('second')\nraise SystemExit(3)")
    assert (tmp_path / "log").read_text() == "first\nsecond\n"


def test_descendants_of_a_child_that_was_killed_are_found_and_ended(tmp_path):
    child, family = start_family(tmp_path)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    kill_tree(child)
    psutil.wait_procs(family, timeout=5)
    assert not any(process.is_running() for process in family)


def test_a_failure_shows_the_last_lines_of_the_log(tmp_path):
    with pytest.raises(ChildFailedError, match=r"(?s)exit code 3; the end of .*log:\nline 75.*line 99\Z"):
        run(tmp_path, "for i in range(100): print('line', i)\nraise SystemExit(3)")


def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="No space left on device"):
        run(tmp_path, "raise OSError(28, 'No space left on device')")


def test_progress_is_watched_to_the_end(tmp_path):
    seen = []
    run(tmp_path, "print('x')", watch=lambda: seen.append((tmp_path / "log").read_text()))
    assert seen[-1] == "x\n"


def test_an_error_while_watching_ends_the_child(tmp_path):
    stopped = []

    def stop(process):
        kill_tree(process)
        stopped.append(process.poll())

    with pytest.raises(ZeroDivisionError):
        run(tmp_path, "import time; time.sleep(60)", watch=lambda: 1 / 0, stop=stop)
    assert stopped == [-9]


@pytest.mark.parametrize("end", [kill_tree, lambda child: end_child(child, 5)], ids=["kill_tree", "end_child"])
def test_no_descendant_outlives_its_family(tmp_path, end):
    child, family = start_family(tmp_path)
    assert len(family) == 2
    end(child)
    psutil.wait_procs(family, timeout=5)
    assert not any(process.is_running() for process in family)


def test_a_child_that_will_not_end_is_killed_after_its_grace(tmp_path):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = start_child(python(code), log=tmp_path / "log", environment={})
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    end_child(child, grace_seconds=0.2)
    assert child.returncode == -9


def test_an_interrupt_while_a_child_ends_kills_it_and_is_passed_on(tmp_path):
    child, family = start_family(tmp_path)
    with patch.object(child, "wait", side_effect=[KeyboardInterrupt, None]), pytest.raises(KeyboardInterrupt):
        end_child(child)
    psutil.wait_procs(family, timeout=5)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    child.wait()


def test_a_command_is_named_by_its_module():
    launched = ["python", "-m", "accelerate.commands.launch", "-m", "fastmath.training.sft", "folder"]
    assert (name_command(launched), name_command(["/bin/ls"])) == ("fastmath.training.sft", "ls")

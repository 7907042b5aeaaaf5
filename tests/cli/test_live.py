"""The line of a running stage, in a terminal and in a log."""

import io
import time

import pytest

from fastmath.cli import live
from fastmath.cli.live import LiveLine
from fastmath.runs.progress import ProgressFile


class Terminal(io.StringIO):
    """An output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr(live, "TERMINAL_SECONDS", 0.02)
    monkeypatch.setattr(live, "LOG_SECONDS", 0.02)


def test_a_log_gets_whole_lines(tmp_path):
    output = io.StringIO()
    with LiveLine("[2/7] sft", tmp_path, output):
        ProgressFile(tmp_path, "step", 60).update(7, {"loss": 0.5}, last=True)
        time.sleep(0.2)
    assert output.getvalue().splitlines()[-1].startswith("[2/7] sft · step 7 of 60 · loss 0.5 · 0:00 elapsed")


def test_a_terminal_s_line_is_drawn_over_and_gone_at_the_end(tmp_path):
    output = Terminal()
    with LiveLine("[2/7] sft", tmp_path, output):
        time.sleep(0.1)
    assert (output.getvalue().count("\n"), output.getvalue()[-5:]) == (0, "\r\x1b[2K")


def test_what_is_said_meanwhile_has_a_line_of_its_own(tmp_path):
    output = Terminal()
    with LiveLine("[2/7] sft", tmp_path, output) as line:
        line.say("stopping")
    assert "\r\x1b[2Kstopping\n" in output.getvalue()


def test_the_progress_of_an_earlier_run_is_not_shown(tmp_path):
    ProgressFile(tmp_path, "step", 60).update(60, last=True)
    time.sleep(0.01)
    assert LiveLine("[2/7] sft", tmp_path, io.StringIO()).describe() == "[2/7] sft · starting · 0:00 elapsed"
